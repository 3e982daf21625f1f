"""Bodies that no model of FastAPI's reads, as the OpenAPI document describes them."""

from __future__ import annotations

import json
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from taximeter.api.cloud_events import BATCHED, STRUCTURED, CloudEvent
from taximeter_schemas.usage import (
    UsageCorrected,
    UsageNotUnderstood,
    UsageRecorded,
)

__all__ = ["BODIES", "REFERENCE", "body_schemas"]

REFERENCE: Final = "#/components/schemas/{model}"

_EVENTS: Final[tuple[type[BaseModel], ...]] = (
    UsageRecorded,
    UsageCorrected,
    UsageNotUnderstood,
)
_USED: Final = {
    "provider": "anthropic",
    "model": "claude-sonnet-4-5",
    "usage": {"text_input_tokens": 1200, "text_output_tokens": 350},
    "user_id": "alice",
    "project_id": "search",
    "tags": {"team": "growth"},
}
_EXAMPLE: Final = {
    "event_id": "0199f3c2-7a11-7c3e-9d2a-5b8f0a1c2d3e",
    "occurred_at": "2026-11-22T12:00:00.123456Z",
    "source": "checkout-service",
    **_USED,
}
_CLOUD: Final = {
    "specversion": "1.0",
    "type": "taximeter.UsageRecorded",
    "source": "/checkout-service",
    "id": "call-4711",
    "time": "2026-11-22T12:00:00.123456Z",
    "data": _USED,
}
_ANSWER: Final = {
    "id": "chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG",
    "object": "chat.completion",
    "model": "gpt-4o-2024-08-06",
    "usage": {"prompt_tokens": 19, "completion_tokens": 10, "total_tokens": 29},
}
_ENVELOPE: Final = {
    "response": _ANSWER,
    "attribution": {"user_id": "alice", "tags": {"team": "growth"}},
}
_STREAM: Final = 'data: {"id": "chatcmpl-…", "object": "chat.completion.chunk", …}\n\n'


def body_schemas() -> dict[str, Any]:
    """Return the schemas of what the bodies are made of, by name."""
    models = [(model, "validation") for model in (*_EVENTS, CloudEvent)]
    _, schemas = models_json_schema(models, ref_template=REFERENCE)  # type: ignore[arg-type]
    return dict(schemas["$defs"])


def _reference(model: type[BaseModel]) -> dict[str, Any]:
    return {"$ref": REFERENCE.format(model=model.__name__)}


def _content(schema: dict[str, Any], **examples: object) -> dict[str, Any]:
    named = {name: {"value": value} for name, value in examples.items()}
    return {"schema": schema, "examples": named}


def _array(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of}


_EVENT: Final = {"anyOf": [_reference(model) for model in _EVENTS]}
_CLOUDS: Final = _reference(CloudEvent)
_TEXT: Final = {"type": "string"}
_ANY: Final = {"anyOf": [{"type": "object"}, _array({"type": "object"}), _TEXT]}

BODIES: Final[dict[str, dict[str, Any]]] = {
    "/v1/events": {
        "required": True,
        "description": "With `Content-Encoding: gzip`, zipped.",
        "content": {
            "application/json": _content(
                {"anyOf": [_EVENT, _array(_EVENT)]}, one=_EXAMPLE, many=[_EXAMPLE]
            ),
            "application/x-ndjson": _content(_TEXT, lines=f"{json.dumps(_EXAMPLE)}\n"),
            STRUCTURED: _content(_CLOUDS, one=_CLOUD),
            BATCHED: _content(_array(_CLOUDS), many=[_CLOUD]),
        },
    },
    "/v1/raw/{provider}": {
        "required": True,
        "description": "What the provider answered; with `Content-Encoding: gzip`, "
        "zipped.",
        "content": {
            "application/json": _content(_ANY, answer=_ANSWER, enveloped=_ENVELOPE),
            "text/event-stream": _content(_TEXT, stream=_STREAM),
        },
    },
}
"""By the path that they are posted to."""
