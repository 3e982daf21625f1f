"""From a provider's raw answer to the events of the call that it answers.

For callers that do not want to normalise. Pure. It reads what the wrapped clients read,
by the same rules and into the same ids, so that a call seen by both counts once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from taximeter.raw_shapes import Answer, is_stream, shape_of
from taximeter_producers.attribution import Attribution, label
from taximeter_producers.call_ids import call_event_id
from taximeter_producers.provider_usage import usage_not_understood
from taximeter_producers.usage_shapes.bodies import Part, without_texts
from taximeter_producers.usage_shapes.facts import IDS, text
from taximeter_producers.wrapping.recorded import Call, of_answer, of_failure, of_stream
from taximeter_producers.wrapping.routes import Route, operation_of
from taximeter_schemas.errors import UnknownShape, UsageUnreadable
from taximeter_schemas.fields import Count, Hash, Moment, Name, Tags
from taximeter_schemas.ids import derived_id, time_ordered_id
from taximeter_schemas.usage import EmittedEvent, UsageNotUnderstood

__all__ = ["RawCall", "RawFacts", "events_of_answer"]

_UNKNOWN: Final = "unknown"
_FAILED: Final = "openai.chat_completions"  # any: an error states no usage
_USAGES: Final = ("usage", "usageMetadata", "usage_metadata", "meta")

# A call is read by these; all else that is said of it stands in its events as it is.
_READ_BY: Final = {"shape", "event_id"}


class RawFacts(BaseModel):
    """What a caller says of a call beside its answer: whose it was, and the like.

    `shape` is which API answered (docs/usage.md), where that is not plain. Without
    `event_id` a call is known by the provider's id of its answer, and an answer
    without one is another call each time.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    shape: Name | None = None
    event_id: UUID | None = None
    occurred_at: Moment | None = None
    model: Name | None = None
    operation: Name | None = None
    service_tier: Name | None = None
    source: Name | None = None
    user_id: Name | None = None
    project_id: Name | None = None
    session_id: Name | None = None
    conversation_id: Name | None = None
    endpoint: Name | None = None
    region: Name | None = None
    duration_ms: Count | None = None
    api_key_hash: Hash | None = None
    prompt_hash: Hash | None = None
    trace_id: Hash | None = None
    span_id: Hash | None = None
    reservation_id: UUID | None = None


class RawCall(RawFacts):
    """All that a caller may say of a call, its tags too."""

    tags: Tags = Field(default_factory=dict)

    def fields(self) -> dict[str, Any]:
        """Return what goes into the call's events as it was said."""
        said = self.model_dump(exclude=_READ_BY, exclude_unset=True)
        return {name: value for name, value in said.items() if value is not None}


def events_of_answer(
    provider: str, answer: Answer, said: RawCall, now: datetime
) -> list[EmittedEvent]:
    """Return the events of an answer; none where it says that it is still under way.

    What cannot be understood is a `UsageNotUnderstood`, to become a dead letter.

    Args:
        provider: who answered, as events name it.
        answer: what was answered; nothing of it but its usage and its ids is kept.
        said: whose call it was, and what else is known of it.
        now: when it happened, unless that was said.

    Raises:
        pydantic.ValidationError: what was said cannot stand in an event.
    """
    if failure := _failure(answer):
        call = replace(_call(provider, _FAILED, answer, said, now), error_type=failure)
        return [_said_of(event, 0, said) for event in of_failure(call)]
    try:
        name = shape_of(provider, answer, said.shape)
    except UnknownShape as error:
        return [_unknown(provider, answer, said, now, error)]
    call = _call(provider, name, answer, said, now)
    stream = is_stream(answer)
    found = of_stream(call, answer) if stream else of_answer(call, answer)
    return [_said_of(event, at, said) for at, event in enumerate(found)]


def _call(
    provider: str, shape: str, answer: Answer, said: RawCall, now: datetime
) -> Call:
    vendor, _, api = shape.partition(".")
    asked: dict[str, Any] = {"model": said.model} if said.model else {}
    if api == "audio_speech" and isinstance(answer, Mapping):
        asked = {**answer, **asked}  # the answer is sound; the request has its text
    return Call(
        provider=provider,
        route=Route(operation_of(api), api, vendor),
        by=Attribution(),
        occurred_at=said.occurred_at or now,
        asked=asked,
    )


def _failure(answer: Answer) -> str | None:
    """Return the type of the error that an answer is, None if it is none."""
    if not isinstance(answer, Mapping):
        return None
    error = answer.get("error")
    if not isinstance(error, Mapping):
        return None
    if any(answer.get(name) is not None for name in _USAGES):
        return None
    named = (error.get(name) for name in ("type", "status", "code"))
    return next((label(name) for name in named if name), None) or _UNKNOWN


def _said_of(event: EmittedEvent, at: int, said: RawCall) -> EmittedEvent:
    """Return an event with what the caller says; `at` counts what is billed apart."""
    fields = said.fields()
    if at:
        fields.pop("model", None)
    if isinstance(event, UsageNotUnderstood):  # charged nothing, it settles nothing
        fields.pop("reservation_id", None)
    if said.event_id is not None:
        apart = derived_id("beside", str(said.event_id), str(at - 1))
        fields["event_id"] = apart if at else said.event_id
    known = event.model_dump(exclude_unset=True)
    return type(event).model_validate(known | fields)


def _unknown(
    provider: str, answer: Answer, said: RawCall, now: datetime, error: UnknownShape
) -> EmittedEvent:
    """Return what is kept of an answer of which nobody knows how to read it."""
    body = Part(answer if isinstance(answer, Mapping) else None, "")
    named = call_event_id(provider, text(body, *IDS))
    reason = "cannot be told: name it, as in ?shape=responses"
    shape = f"{provider}.{said.shape or _UNKNOWN}"[:256]
    known: dict[str, Any] = {
        "provider": provider,
        "model": _UNKNOWN,
        "event_id": said.event_id or named or time_ordered_id(now),
        "occurred_at": now,
    }
    unread = UsageUnreadable(shape, "shape", reason, _usage_in(body))
    return usage_not_understood(unread, **known | said.fields())


def _usage_in(body: Part) -> object:
    usage = body.value(*_USAGES)
    return without_texts(usage) if isinstance(usage, Mapping) else None
