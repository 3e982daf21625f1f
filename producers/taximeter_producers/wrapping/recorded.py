"""Makes the events of one attempt of a call, from what was asked and answered. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from taximeter_producers.attribution import Attribution, attributed, label
from taximeter_producers.call_ids import call_event_id
from taximeter_producers.litellm_usage import chosen_for
from taximeter_producers.provider_usage import (
    reading_from_response,
    usage_from_stream,
    usage_not_understood,
)
from taximeter_producers.usage_readings import UsageReading
from taximeter_producers.usage_shapes.bodies import Part
from taximeter_producers.usage_shapes.facts import IDS, MODELS, text, tier_of
from taximeter_producers.wrapping.routes import Route, shape_for
from taximeter_schemas.errors import UsageUnreadable
from taximeter_schemas.ids import derived_id, time_ordered_id
from taximeter_schemas.usage import EmittedEvent, Usage, UsageRecorded

__all__ = [
    "Call",
    "lighter",
    "of_answer",
    "of_failure",
    "of_reading",
    "of_stream",
    "of_unread",
    "prompt_of",
]

_UNDER_WAY: Final = ("queued", "in_progress")
_NOTHING: Final = Usage()


@dataclass(frozen=True)
class Call:
    """What is known of an attempt besides what was answered.

    Attributes:
        asked: the request's body.
        by: whom it was for when it began.
        request_id: the provider's id of the HTTP request.
        error_type: why it failed, if it did.
        counted: usage that stands beside an answer that states none.
        service_tier: the tier, where it follows from how the call was made.
        trace_id: what the attempts of one call have in common, once one has failed.
    """

    provider: str
    route: Route
    by: Attribution
    occurred_at: datetime
    source: str = "unknown"
    asked: Mapping[str, Any] = field(default_factory=dict[str, Any])
    duration_ms: int | None = None
    request_id: str | None = None
    error_type: str | None = None
    counted: Mapping[str, Any] = field(default_factory=dict[str, Any])
    service_tier: str | None = None
    trace_id: str | None = None

    @property
    def shape(self) -> str:
        """How the answer states its usage."""
        return shape_for(self.provider, self.route)


def of_answer(call: Call, body: object) -> list[EmittedEvent]:
    """Return the events of an answer that came whole."""
    if isinstance(body, list):
        return of_stream(call, body)
    said = body if isinstance(body, Mapping) else {}
    if not _bills(call.route, said):
        return []
    if call.route.operation == "speech":
        said = call.asked  # the answer is sound
    if call.counted and "usage" not in said:
        said = {**said, **call.counted}
    try:
        reading = reading_from_response(lighter(said), call.shape)
    except UsageUnreadable as error:
        return [of_unread(call, error, said)]
    return of_reading(call, reading, said)


def of_stream(call: Call, chunks: Iterable[object]) -> list[EmittedEvent]:
    """Return the events of a streamed answer, as far as it came."""
    try:
        reading = usage_from_stream(
            chunks, call.shape, model=_model(call, None), messages=prompt_of(call.asked)
        )
    except UsageUnreadable as error:
        return of_failure(call) if call.error_type else [of_unread(call, error, {})]
    return of_reading(call, reading, {})


def of_failure(call: Call) -> list[EmittedEvent]:
    """Return the event of an attempt that brought nothing, and is billed nothing."""
    return [_event(call, _fields(call, None, None) | {"usage": _NOTHING})]


def of_reading(
    call: Call, reading: UsageReading, said: Mapping[str, Any]
) -> list[EmittedEvent]:
    """Return the event of what was read, and those of what is billed beside it."""
    fields = _fields(call, reading.response_id, reading.response_model)
    tier = tier_of(Part(None, ""), Part(call.asked, ""))
    chosen = chosen_for(call.route.operation, {"optional_params": call.asked}, said)
    main = _event(
        call, {"service_tier": tier} | fields | chosen | reading.event_fields()
    )
    return [main, *_beside(call, main, reading)]


def _beside(
    call: Call, main: UsageRecorded, reading: UsageReading
) -> Iterable[UsageRecorded]:
    """Yield what is billed apart: Anthropic's compactions and advisors."""
    for at, one in enumerate(reading.beside):
        changes = {
            "event_id": derived_id("beside", str(main.event_id), str(at)),
            "model": one.model or main.model,
            "usage": one.usage,
            "provider_cost_usd": None,
        }
        yield main.model_copy(update=changes)


def of_unread(
    call: Call, error: UsageUnreadable, said: Mapping[str, Any]
) -> EmittedEvent:
    """Return the event of an answer whose usage nobody understands."""
    body = Part(said, "")
    fields = _fields(call, text(body, *IDS), text(body, *MODELS))
    return usage_not_understood(error, **_whom(call) | _stated(fields))


def _event(call: Call, fields: Mapping[str, object]) -> UsageRecorded:
    outcome = {
        "duration_ms": call.duration_ms,
        "status": "error" if call.error_type else "ok",
        "error_type": call.error_type,
    }
    return UsageRecorded.model_validate(_whom(call) | _stated({**fields, **outcome}))


def _fields(
    call: Call, response_id: str | None, response_model: str | None
) -> dict[str, object]:
    named = call_event_id(call.provider, response_id, call.request_id)
    return {
        "event_id": named or time_ordered_id(call.occurred_at),
        "occurred_at": call.occurred_at,
        "source": call.source,
        "provider": call.provider,
        "model": _model(call, response_model),
        "operation": call.route.operation,
        "service_tier": call.service_tier,
        "trace_id": call.trace_id,
        "response_id": response_id,
        "response_model": response_model,
    }


def _model(call: Call, response_model: str | None) -> str:
    asked = label(call.asked.get("model")) if call.asked.get("model") else None
    return asked or call.route.model or response_model or "unknown"


def _whom(call: Call) -> dict[str, Any]:
    """Return whom the call is for: what was attributed, else what the request says."""
    metadata = call.asked.get("metadata")
    within = metadata.get("user_id") if isinstance(metadata, Mapping) else None
    user = label(call.asked.get("user")) or label(within)
    said = {"user_id": user} if user is not None else {}
    return said | attributed(call.by)


def _stated(fields: Mapping[str, object]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _bills(route: Route, body: Mapping[str, Any]) -> bool:
    """Tell whether this is the answer that a call is billed by.

    A response in the background is answered at once, and has its usage when it is
    read back; any other that is read back was billed before.
    """
    if route.api != "responses":
        return True
    done = body.get("status") not in _UNDER_WAY
    if route.read_back:
        return done and body.get("background") is True and bool(body.get("usage"))
    return done


def lighter(body: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what may be large and says nothing of usage."""
    light = {n: v for n, v in body.items() if n not in ("choices", "content")}
    made = light.get("data")
    if isinstance(made, Sequence):
        light["data"] = [None] * len(made)
    return light


def prompt_of(asked: Mapping[str, Any]) -> object:
    """Return what was asked, to be counted where the provider did not."""
    for name in ("messages", "input", "prompt", "contents"):
        if asked.get(name):
            return asked[name]
    return None
