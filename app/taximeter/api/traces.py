"""`POST /v1/traces`: OpenTelemetry's spans in, by OTLP over HTTP.

Exporters speak to it as to any other collector. What calls a provider bills become
usage events, and nothing else of a span is kept; `taximeter.otlp` says which.
"""

from __future__ import annotations

import json
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from taximeter.api.access import caller
from taximeter.api.bodies import read_whole
from taximeter.api.faults import explained
from taximeter.api.otlp_answers import accepted, form_of, wrong
from taximeter.api.recording import deliver
from taximeter.api.room import Place
from taximeter.api.services import Services, services
from taximeter.otlp.decoding import Form, TooManySpans, Undecodable
from taximeter.otlp.intake import Export

__all__ = ["router"]

router = APIRouter(tags=["events"])

_MEDIA: Final = {
    Form.PROTOBUF.value: {"schema": {"type": "string", "format": "binary"}},
    Form.JSON.value: {
        "schema": {"type": "object"},
        "examples": {"some": {"value": {"partialSuccess": {"rejectedSpans": "1"}}}},
    },
}
_SPAN: Final = {
    "traceId": "5b8efff798038103d269b633813fc60c",
    "spanId": "eee19b7ec3c1b174",
    "name": "chat gpt-4o",
    "startTimeUnixNano": "1795348800000000000",
    "endTimeUnixNano": "1795348801250000000",
    "attributes": [
        {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
        {"key": "gen_ai.provider.name", "value": {"stringValue": "openai"}},
        {"key": "gen_ai.response.model", "value": {"stringValue": "gpt-4o"}},
        {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "19"}},
        {"key": "gen_ai.usage.output_tokens", "value": {"intValue": "10"}},
    ],
}
_SPANS: Final = {"resourceSpans": [{"scopeSpans": [{"spans": [_SPAN]}]}]}
_SENT: Final = {
    Form.PROTOBUF.value: {"schema": {"type": "string", "format": "binary"}},
    Form.JSON.value: {
        "schema": {
            "type": "object",
            "properties": {
                "resourceSpans": {"type": "array", "items": {"type": "object"}}
            },
        },
        "examples": {"chat": {"value": _SPANS}},
    },
}
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "content": _MEDIA,
        "description": "Kafka has the events of all spans but `rejected_spans`.",
    },
    400: {"content": _MEDIA, "description": "The body is no OTLP request."},
    408: {"content": _MEDIA, "description": "The body did not arrive in time."},
    413: {"content": _MEDIA, "description": "Over 8 MiB, or 100,000 spans."},
    415: {"content": _MEDIA, "description": "It is neither protobuf nor JSON."},
    429: {"content": _MEDIA, "description": "Too much is under way: come back later."},
    503: {"content": _MEDIA, "description": "Kafka has not acknowledged in time."},
}
_REQUEST: Final = {"requestBody": {"required": True, "content": _SENT}}


@router.post(
    "/v1/traces",
    response_model=None,
    responses=_ANSWERS,
    openapi_extra=_REQUEST,
    summary="Record usage from OpenTelemetry's spans",
)
async def post_traces(request: Request) -> Response:
    """Take an `ExportTraceServiceRequest`, and record the calls among its spans.

    200 means that Kafka has their events; `partial_success` tells of spans that are
    calls and lack what an event must say. After 429 and 503 send the same again: a
    call counts once, however often its span arrives.
    """
    form = form_of(request.headers.get("content-type", ""))
    if form is None:
        known = " or ".join(form.value for form in Form)
        return wrong(Form.JSON, 415, f"the content type is not known: send {known}")
    try:
        return accepted(form, await _recorded(request, form))
    except Undecodable as error:
        return wrong(form, 400, str(error))
    except TooManySpans as error:
        return wrong(form, 413, str(error))
    except ClientDisconnect:
        return Response(status_code=400)
    except Exception as error:
        answer = await explained(request, error)
        if answer is None:
            raise
        words = json.loads(bytes(answer.body))["detail"]
        return wrong(form, answer.status_code, words, answer.headers)


async def _recorded(request: Request, form: Form) -> Export:
    at = services(request)
    with at.room.place() as place:
        export = await _read(request, form, place, at)
        await deliver(export.events, place, at)
    at.spans.outcomes.update(export.outcomes)
    return export


async def _read(request: Request, form: Form, place: Place, at: Services) -> Export:
    # On its own, so that the body is gone while its events wait for Kafka.
    who = caller(request)

    def lacks(source: str) -> str | None:
        return None if who.writes_for(source) else who.lacks(source)

    body = await read_whole(request, place, at.room.limits.body_bytes)
    return await at.spans.read(body, form, at.clock.now(), lacks)
