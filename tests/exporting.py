"""OpenTelemetry's spans as exporters send them, built from what a test cares about."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Any, Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import (
    ResourceSpans,
    ScopeSpans,
    Span,
    Status,
)

from taximeter.otlp.decoding import Form
from tests.builders import NOON

__all__ = ["CHAT", "NOON_NS", "TRACE", "a_span", "an_export"]

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
NOON_NS = int(NOON.timestamp()) * 10**9

CHAT: Final[dict[str, object]] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 20,
}


def a_span(
    attributes: Mapping[str, object] = CHAT,
    *,
    span_id: str = "00f067aa0ba902b7",
    parent_id: str = "",
    trace_id: str = TRACE,
    name: str = "chat gpt-4o-mini",
    kind: int = 3,
    began_ns: int = NOON_NS,
    took_ms: int = 850,
    failed: bool = False,
    exception: str | None = None,
) -> Span:
    """Return a span, by default one of a chat with a model."""
    events = [_exception(exception)] if exception else []
    return Span(
        trace_id=bytes.fromhex(trace_id),
        span_id=bytes.fromhex(span_id),
        parent_span_id=bytes.fromhex(parent_id),
        name=name,
        kind=kind,  # type: ignore[arg-type]
        start_time_unix_nano=began_ns,
        end_time_unix_nano=began_ns + took_ms * 1_000_000,
        attributes=_pairs(attributes),
        status=Status(code=Status.STATUS_CODE_ERROR if failed else 0),  # type: ignore[arg-type]
        events=events,
    )


def an_export(
    spans: Sequence[Span],
    form: Form = Form.PROTOBUF,
    resource: Mapping[str, object] | None = None,
) -> bytes:
    """Return the body of a request with these spans, of one service."""
    said = {"service.name": "search"} if resource is None else resource
    if form is Form.JSON:
        return _in_json(spans, said)
    request = ExportTraceServiceRequest(
        resource_spans=[
            ResourceSpans(
                resource=Resource(attributes=_pairs(said)),
                scope_spans=[ScopeSpans(spans=spans)],
            )
        ]
    )
    return bytes(request.SerializeToString())


_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def _exception(kind: str) -> Span.Event:
    return Span.Event(name="exception", attributes=_pairs({"exception.type": kind}))


def _pairs(attributes: Mapping[str, object]) -> list[KeyValue]:
    return [KeyValue(key=k, value=_value(v)) for k, v in attributes.items()]


def _value(value: object) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    return AnyValue(string_value=str(value))


def _in_json(spans: Sequence[Span], resource: Mapping[str, object]) -> bytes:
    """Write spans by OTLP's own rules: ids in hexadecimal, 64-bit integers as text."""
    scope = {"spans": [_span_in_json(span) for span in spans]}
    one = {"resource": {"attributes": _said(_pairs(resource))}, "scopeSpans": [scope]}
    return json.dumps({"resourceSpans": [one]}).encode()


def _span_in_json(span: Span) -> dict[str, Any]:
    return {
        "traceId": span.trace_id.hex(),
        "spanId": span.span_id.hex(),
        "parentSpanId": span.parent_span_id.hex(),
        "name": span.name,
        "kind": int(span.kind),
        "startTimeUnixNano": str(span.start_time_unix_nano),
        "endTimeUnixNano": str(span.end_time_unix_nano),
        "attributes": _said(span.attributes),
        "status": {"code": int(span.status.code)},
        "events": [{"attributes": _said(one.attributes)} for one in span.events],
        "droppedAttributesCount": 0,
    }


def _said(pairs: Iterable[KeyValue]) -> list[dict[str, Any]]:
    return [{"key": pair.key, "value": _value_in_json(pair.value)} for pair in pairs]


def _value_in_json(value: AnyValue) -> dict[str, Any]:
    kind = value.WhichOneof("value") or "string_value"
    stated = getattr(value, kind)
    name = kind.replace("_v", "V")
    if kind == "double_value" and not isfinite(stated):
        stated = _NOT_FINITE[str(stated)]
    return {name: str(stated) if kind == "int_value" else stated}
