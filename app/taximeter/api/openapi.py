"""What FastAPI does not know of the API, put into its OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI

from taximeter.api.access import needed
from taximeter.api.openapi_answers import EXAMPLES
from taximeter.api.openapi_bodies import BODIES, REFERENCE, body_schemas

__all__ = ["describe_api"]

_SCHEME: Final = "token"
_BEARER: Final = {
    "type": "http",
    "scheme": "bearer",
    "description": "A token of `taximeter tokens create`. None is needed as long as "
    "none was ever made.",
}


def describe_api(app: FastAPI) -> None:
    """Add bodies, examples, tokens, and what any request may be answered with."""
    generate = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            schemas = document["components"]["schemas"]
            schemas |= body_schemas()
            for model, example in EXAMPLES.items():
                schemas[model.__name__]["examples"] = [example]
            document["components"]["securitySchemes"] = {_SCHEME: _BEARER}
            for path, operations in document["paths"].items():
                for method, operation in operations.items():
                    _describe(path, method, operation)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]  # as FastAPI's docs say


def _describe(path: str, method: str, operation: dict[str, Any]) -> None:
    if path in BODIES:
        operation["requestBody"] = BODIES[path]
    if "requestBody" in operation:
        operation["responses"] = _UNREAD | operation["responses"]
    if need := needed(method.upper(), path):
        operation["security"] = [{_SCHEME: [need]}]
        operation["responses"] = _REFUSED | operation["responses"]


def _fault(words: str, *headers: str) -> dict[str, Any]:
    schema = {"$ref": REFERENCE.format(model="Fault")}
    return {
        "description": words,
        "content": {"application/json": {"schema": schema}},
        "headers": {name: {"schema": {"type": "string"}} for name in headers},
    }


_REFUSED: Final = {
    "401": _fault("No token, or a wrong one.", "WWW-Authenticate"),
    "403": _fault("The token may not do this.", "WWW-Authenticate"),
    "429": _fault("The token asked too often.", "Retry-After"),
    "503": _fault("What is needed is away just now."),
}
_UNREAD: Final = {
    "400": _fault("The body cannot be read."),
    "408": _fault("The body did not arrive in time."),
    "413": _fault("The body is over 8 MiB."),
}
