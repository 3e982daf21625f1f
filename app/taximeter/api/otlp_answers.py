"""OTLP's own answers, in protobuf or JSON as the question was.

https://opentelemetry.io/docs/specs/otlp/#otlphttp-response
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fastapi import Response
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from google.rpc import code_pb2
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceResponse,
)

from taximeter.otlp.decoding import Form
from taximeter.otlp.intake import Export

__all__ = ["accepted", "form_of", "wrong"]

_MOST_TOLD: Final = 10

_CODES: Final = {
    400: code_pb2.INVALID_ARGUMENT,
    408: code_pb2.DEADLINE_EXCEEDED,
    413: code_pb2.OUT_OF_RANGE,
    415: code_pb2.UNIMPLEMENTED,
    429: code_pb2.RESOURCE_EXHAUSTED,
    503: code_pb2.UNAVAILABLE,
}


def form_of(content_type: str) -> Form | None:
    """Return how a body is written, by its header.

    >>> form_of("application/json; charset=utf-8")
    <Form.JSON: 'application/json'>
    """
    media = content_type.partition(";")[0].strip().lower()
    return next((form for form in Form if form.value == media), None)


def accepted(form: Form, export: Export) -> Response:
    """Return the answer to an export that was taken; it tells what was not, and why."""
    answer = ExportTraceServiceResponse()
    if export.refused:
        answer.partial_success.rejected_spans = len(export.refused)
        answer.partial_success.error_message = "; ".join(export.refused[:_MOST_TOLD])
    return _written(form, answer, 200)


def wrong(
    form: Form, status: int, words: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Return the answer to an export that was not taken."""
    code = _CODES.get(status, code_pb2.UNKNOWN)
    answer = _written(form, Status(code=code, message=words), status)
    if headers and "retry-after" in headers:
        answer.headers["Retry-After"] = headers["retry-after"]
    return answer


def _written(form: Form, message: Message, status: int) -> Response:
    if form is Form.JSON:
        text = MessageToJson(message, indent=None)
        return Response(text, status, media_type=form.value)
    return Response(message.SerializeToString(), status, media_type=form.value)
