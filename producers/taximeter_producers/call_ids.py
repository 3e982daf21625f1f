"""The event id of a call that its provider named: the same from whoever saw it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from taximeter_schemas.ids import derived_id, response_event_id

__all__ = ["call_event_id", "request_id_in"]

# Shorter ones are made up by small local servers, and come again: Ollama's are
# "chatcmpl-" and a number below 1,000.
_SHORTEST_ID: Final = 16
_REQUEST_IDS: Final = (
    "x-request-id",
    "request-id",
    "apim-request-id",
    "x-amzn-requestid",
)


def call_event_id(
    provider: str, response_id: object, request_id: object = None
) -> UUID | None:
    """Return the id of a call's event, or None if nothing names the call.

    The wrapped clients and the litellm callback both ask here, so a call that both of
    them see is one event. An answer without an id of its own, such as an embedding or
    an error, has that of its HTTP request.

    >>> call_event_id("ollama", "chatcmpl-453") is None
    True
    """
    if isinstance(response_id, str) and len(response_id) >= _SHORTEST_ID:
        return response_event_id(provider, response_id)
    if isinstance(request_id, str) and len(request_id) >= _SHORTEST_ID:
        return derived_id("request", provider, request_id)
    return None


def request_id_in(answered: Any, asked: Any = None) -> str | None:  # noqa: ANN401
    """Return the id that a provider gave a request, from the answer's headers.

    One that the caller sent along is no provider's: it may stand for many calls.
    """
    if not isinstance(answered, (dict, Mapping)):
        return None
    given = [name for name in _REQUEST_IDS if _has(answered, name)]
    return next((str(answered[n]) for n in given if not _sent_along(asked, n)), None)


def _sent_along(asked: object, name: str) -> bool:
    return isinstance(asked, Mapping) and _has(asked, name)


def _has(headers: Mapping[str, Any], name: str) -> bool:
    return name in headers or name.title() in headers
