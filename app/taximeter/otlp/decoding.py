"""OTLP's requests, in protobuf and in its own JSON, as spans.

Protobuf is read by OpenTelemetry's own messages. Their JSON is not protobuf's: ids are
hexadecimal there, so it is read by what stands here, which has the fields we use.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Final

import msgspec
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from taximeter.otlp.spans import Span
from taximeter.otlp.wire import entries_of

__all__ = ["MOST_SPANS", "Form", "TooManySpans", "Undecodable", "spans_in"]

MOST_SPANS: Final = 100_000

_FAILED: Final = 2
_EXCEPTION: Final = "exception.type"
_SCALARS: Final = frozenset({"string_value", "bool_value", "int_value", "double_value"})
_HEX: Final = re.compile("[0-9a-fA-F]*")
_NOT_FINITE: Final = {name: float(name) for name in ("NaN", "Infinity", "-Infinity")}
_WHOLE: Final = re.compile("-?[0-9]{1,20}")


class Form(Enum):
    """How a request is written, by its media type."""

    PROTOBUF = "application/x-protobuf"
    JSON = "application/json"


class TooManySpans(ValueError):
    """More spans than one request may bring, however few bytes they are."""

    def __init__(self) -> None:
        super().__init__(
            f"a request has at most {MOST_SPANS} spans: send fewer at once"
        )


class Undecodable(ValueError):
    """A body that is no OTLP request, which sending again does not mend."""


def spans_in(body: bytes, form: Form) -> list[Span]:
    """Return the spans of a request in their order.

    >>> spans_in(b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"spanId":"0A"}]}]}]}',
    ...          Form.JSON)[0].span_id
    '0a'

    Raises:
        TooManySpans: before they take memory.
        Undecodable: it is not what its media type says.
    """
    read = _from_protobuf if form is Form.PROTOBUF else _from_json
    return list(read(body))


def _from_protobuf(body: bytes) -> Iterator[Span]:
    if entries_of(body, MOST_SPANS) > MOST_SPANS:
        raise TooManySpans
    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError:
        raise Undecodable("the body is no ExportTraceServiceRequest") from None
    for one in request.resource_spans:
        resource = _attributes(one.resource.attributes)
        for scope in one.scope_spans:
            for span in scope.spans:
                yield _of_protobuf(span, resource)


def _of_protobuf(span: trace_pb2.Span, resource: dict[str, object]) -> Span:
    exceptions = (_attributes(event.attributes) for event in span.events)
    return Span(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        name=span.name,
        kind=span.kind,
        began_ns=span.start_time_unix_nano,
        ended_ns=span.end_time_unix_nano,
        failed=span.status.code == _FAILED,
        attributes=_attributes(span.attributes),
        resource=resource,
        exception=_exception(exceptions),
    )


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, object]:
    stated = ((pair.key, pair.value, pair.value.WhichOneof("value")) for pair in pairs)
    return {
        key: getattr(value, kind) for key, value, kind in stated if kind in _SCALARS
    }


def _exception(events: Iterable[dict[str, object]]) -> str | None:
    types = (event.get(_EXCEPTION) for event in events)
    return next((one for one in types if isinstance(one, str)), None)


class _Json(msgspec.Struct, rename="camel"):
    """An object of OTLP's JSON; a field that stands not here is left alone."""


class _Value(_Json):
    string_value: str | None = None
    bool_value: bool | None = None
    int_value: int | str | None = None
    double_value: float | str | None = None

    def scalar(self) -> object:
        whole = self.int_value
        if isinstance(whole, str):  # 64-bit integers are text there
            whole = int(whole) if _WHOLE.fullmatch(whole) else None
        number = self.double_value
        if isinstance(number, str):  # as JSON has no word for them
            number = _NOT_FINITE.get(number)
        stated = (self.string_value, self.bool_value, whole, number)
        return next((value for value in stated if value is not None), None)


class _Pair(_Json):
    key: str = ""
    value: _Value | None = None


_Pairs = list[_Pair] | None


class _Resource(_Json):
    attributes: _Pairs = None


class _Event(_Json):
    attributes: _Pairs = None


class _Status(_Json):
    code: int | str = 0


class _Span(_Json):
    trace_id: str = ""
    span_id: str = ""
    parent_span_id: str | None = None
    name: str = ""
    kind: int | str = 0
    start_time_unix_nano: int | str = 0
    end_time_unix_nano: int | str = 0
    attributes: _Pairs = None
    status: _Status | None = None
    events: list[_Event] | None = None


class _ScopeSpans(_Json):
    spans: list[_Span] | None = None


class _ResourceSpans(_Json):
    resource: _Resource | None = None
    scope_spans: list[_ScopeSpans] | None = None


class _Request(_Json):
    resource_spans: list[_ResourceSpans] | None = None


_read_json: Final = msgspec.json.Decoder(_Request).decode


def _from_json(body: bytes) -> Iterator[Span]:
    try:
        request = _read_json(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise Undecodable(f"the body is no OTLP JSON: {error}") from None
    if _spans_of(request) > MOST_SPANS:
        raise TooManySpans
    for one in request.resource_spans or ():
        resource = _scalars(one.resource.attributes if one.resource else None)
        for scope in one.scope_spans or ():
            for span in scope.spans or ():
                yield _of_json(span, resource)


def _spans_of(request: _Request) -> int:
    scopes = (one.scope_spans or () for one in request.resource_spans or ())
    return sum(len(scope.spans or ()) for some in scopes for scope in some)


def _of_json(span: _Span, resource: dict[str, object]) -> Span:
    exceptions = (_scalars(event.attributes) for event in span.events or ())
    code = span.status.code if span.status else 0
    return Span(
        trace_id=_id(span.trace_id),
        span_id=_id(span.span_id),
        parent_id=_id(span.parent_span_id or ""),
        name=span.name,
        kind=span.kind if isinstance(span.kind, int) else 0,
        began_ns=_nanoseconds(span.start_time_unix_nano),
        ended_ns=_nanoseconds(span.end_time_unix_nano),
        failed=code in (_FAILED, "STATUS_CODE_ERROR"),
        attributes=_scalars(span.attributes),
        resource=resource,
        exception=_exception(exceptions),
    )


def _scalars(pairs: _Pairs) -> dict[str, object]:
    stated = ((pair.key, pair.value and pair.value.scalar()) for pair in pairs or ())
    return {key: value for key, value in stated if value is not None}


def _id(text: str) -> str:
    if not _HEX.fullmatch(text):
        raise Undecodable("ids of OTLP JSON are hexadecimal digits")
    return text.lower()


def _nanoseconds(stated: int | str) -> int:
    if isinstance(stated, str):
        return int(stated) if _WHOLE.fullmatch(stated) else 0
    return stated
