"""The events in the OpenAPI document: bodies are read without FastAPI's own models."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from taximeter.api.access import needed
from taximeter_schemas.usage import (
    UsageCorrected,
    UsageNotUnderstood,
    UsageRecorded,
)

__all__ = ["describe_events"]

_EVENTS: Final[tuple[type[BaseModel], ...]] = (
    UsageRecorded,
    UsageCorrected,
    UsageNotUnderstood,
)
_REFERENCE: Final = "#/components/schemas/{model}"

_EXAMPLE: Final = {
    "event_id": "0199f3c2-7a11-7c3e-9d2a-5b8f0a1c2d3e",
    "occurred_at": "2026-11-22T12:00:00.123456Z",
    "source": "checkout-service",
    "provider": "anthropic",
    "model": "claude-sonnet-4-5",
    "usage": {"text_input_tokens": 1200, "text_output_tokens": 350},
    "user_id": "alice",
    "project_id": "search",
    "tags": {"team": "growth"},
}


def describe_events(app: FastAPI) -> None:
    """Add the events' schemas and the body of `POST /v1/events` to the document."""
    generate = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            document["components"]["schemas"] |= _event_schemas()
            document["paths"]["/v1/events"]["post"]["requestBody"] = _body()
            _ask_for_tokens(document)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]  # as FastAPI's docs say


def _ask_for_tokens(document: dict[str, Any]) -> None:
    """Say of each operation that it takes a token, and what the token must allow."""
    document["components"]["securitySchemes"] = {_SCHEME: _BEARER}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if need := needed(method.upper(), path):
                operation["security"] = [{_SCHEME: [need]}]
                operation["responses"] |= _REFUSED


def _refused(words: str, *headers: str) -> dict[str, Any]:
    schema = {"$ref": _REFERENCE.format(model="Fault")}
    return {
        "description": words,
        "content": {"application/json": {"schema": schema}},
        "headers": {name: {"schema": {"type": "string"}} for name in headers},
    }


_SCHEME: Final = "token"
_BEARER: Final = {
    "type": "http",
    "scheme": "bearer",
    "description": "A token of `taximeter tokens create`. None is needed as long as "
    "none was ever made.",
}
_REFUSED: Final = {
    "401": _refused("No token, or a wrong one.", "WWW-Authenticate"),
    "403": _refused("The token may not do this.", "WWW-Authenticate"),
    "429": _refused("Too much, or too often: come back later.", "Retry-After"),
}


def _event_schemas() -> dict[str, Any]:
    _, schemas = models_json_schema(
        [(model, "validation") for model in _EVENTS],
        ref_template=_REFERENCE,
    )
    return dict(schemas["$defs"])


def _body() -> dict[str, Any]:
    event = {
        "anyOf": [
            {"$ref": _REFERENCE.format(model=model.__name__)} for model in _EVENTS
        ]
    }
    return {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"anyOf": [event, {"type": "array", "items": event}]},
                "examples": {
                    "one": {"summary": "One event", "value": _EXAMPLE},
                    "many": {"summary": "An array of events", "value": [_EXAMPLE]},
                },
            }
        },
    }
