"""Makes events of what a function returned: a provider's answer, or a stream's chunks.

It knows no library; what an object is, it tells by its fields and its class's module.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from taximeter_producers.attribution import label
from taximeter_producers.provider_usage import (
    reading_from_response,
    usage_from_stream,
)
from taximeter_producers.usage_readings import UsageReading
from taximeter_producers.usage_shapes.bodies import Faulty, as_json
from taximeter_producers.wrapping import recorded
from taximeter_producers.wrapping.failures import error_of_exception
from taximeter_producers.wrapping.recorded import Call
from taximeter_producers.wrapping.routes import Route, operation_of
from taximeter_schemas.errors import UnknownShape, UsageError
from taximeter_schemas.usage import EmittedEvent

__all__ = [
    "Kept",
    "Told",
    "kept_of",
    "of_chunks",
    "of_error",
    "of_kept",
    "provider_error",
    "provider_name_of",
]

_LIBRARIES: Final = {
    "openai": "openai",
    "anthropic": "anthropic",
    "google": "gemini",
    "mistralai": "mistral",
    "cohere": "cohere",
    "botocore": "bedrock",
}
_LITELLM_REQUEST_ID: Final = "llm_provider-x-request-id"


@dataclass(frozen=True)
class Told:
    """What whoever decorates a function says of its calls; None is left to the answer.

    Attributes:
        provider: whose API answers.
        model: what is asked for.
        shape: how usage is stated, as `docs/usage.md` names it.
        operation: what the calls do.
    """

    provider: str | None = None
    model: str | None = None
    shape: str | None = None
    operation: str | None = None


@dataclass(frozen=True)
class Kept:
    """What an event needs of a result, as it was: its owner may change it.

    Attributes:
        body: as JSON has it.
        shape: how usage is stated, where that is known.
        provider: whose answer it is, where that can be seen.
        request_id: the provider's id of the HTTP request.
    """

    body: object
    shape: str | None = None
    provider: str | None = None
    request_id: str | None = None


def kept_of(result: object, shape: str | None = None) -> Kept:
    """Return what to keep of a result, to make its events later."""
    if type(result).__module__.partition(".")[0] == "litellm":
        shape = shape or "litellm.usage"
    return Kept(_as_it_is(result), shape, _provider_in(result), _request_id(result))


def of_kept(call: Call, told: Told, kept: Kept) -> list[EmittedEvent]:
    """Return the events of an answer, or none if it is no provider's.

    Raises:
        UsageError: it should be one, and its usage cannot be read.
    """
    try:
        reading = reading_from_response(kept.body, kept.shape)
    except UnknownShape:
        if told.shape is not None:
            raise
        return []
    return _events(call, told, reading, kept)


def _as_it_is(result: object) -> object:
    if isinstance(result, str | bytes):
        return result
    with suppress(Faulty):  # told of when it is read
        body = as_json(result)
        return recorded.lighter(body) if isinstance(body, dict) else body
    return result


def of_chunks(call: Call, told: Told, chunks: list[Any]) -> list[EmittedEvent]:
    """Return the events of a stream, or none if its chunks are no provider's."""
    try:
        reading = usage_from_stream(chunks, told.shape, model=told.model)
    except UsageError:
        if told.shape is not None:
            raise
        return []
    return _events(call, told, reading, kept_of(chunks[0]))


def of_error(call: Call, told: Told, error: BaseException) -> list[EmittedEvent]:
    """Return the event of a call that failed, or none if no provider's library did."""
    provider = _by_module(error)
    if provider is None:
        return []
    failed = replace(
        call,
        provider=told.provider or provider,
        asked={"model": told.model} if told.model else {},
        error_type=provider_name_of(error),
        route=Route(told.operation or "chat", "chat_completions"),
    )
    return recorded.of_failure(failed)


def provider_error(error: BaseException | None) -> BaseException | None:
    """Return the error of a provider's library that an error is, or stands for."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        if _by_module(error) is not None:
            return error
        seen.append(error)
        error = error.__cause__ or error.__context__
    return None


def provider_name_of(error: BaseException) -> str:
    """Return the name of an error, as its provider's library has it."""
    for kind in type(error).__mro__:
        if kind.__module__.partition(".")[0] in _LIBRARIES:
            return kind.__name__
    return error_of_exception(error)


def _provider_in(result: object) -> str | None:
    """Return whose answer an object is, by litellm's names of providers."""
    hidden = getattr(result, "_hidden_params", None)
    stated = hidden.get("custom_llm_provider") if isinstance(hidden, Mapping) else None
    return label(stated) or _by_module(result)


def _events(
    call: Call, told: Told, reading: UsageReading, kept: Kept
) -> list[EmittedEvent]:
    vendor, _, api = reading.shape.partition(".")
    operation = told.operation or operation_of(api)
    full = replace(
        call,
        provider=told.provider or kept.provider or vendor,
        asked={"model": told.model} if told.model else {},
        route=Route(operation, api),
        request_id=kept.request_id,
    )
    return recorded.of_reading(full, reading, {})


def _by_module(found: object) -> str | None:
    roots = (kind.__module__.partition(".")[0] for kind in type(found).__mro__)
    return next((_LIBRARIES[root] for root in roots if root in _LIBRARIES), None)


def _request_id(result: object) -> str | None:
    """Return the id of the HTTP request, where the library keeps it."""
    own = getattr(result, "_request_id", None)
    hidden = getattr(result, "_hidden_params", None)
    headers = hidden.get("additional_headers") if isinstance(hidden, Mapping) else None
    theirs = headers.get(_LITELLM_REQUEST_ID) if isinstance(headers, Mapping) else None
    return label(own) or label(theirs)
