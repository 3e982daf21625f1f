"""From what a provider answered to the events that a tracker counts."""

from __future__ import annotations

from uuid import UUID

from taximeter_producers.attribution import usage_recorded
from taximeter_producers.provider_usage import (
    reading_from_response,
    usage_not_understood,
)
from taximeter_producers.usage_readings import UsageReading
from taximeter_schemas.clock import Clock
from taximeter_schemas.errors import ConfigurationError, UsageUnreadable
from taximeter_schemas.ids import derived_id, response_event_id, time_ordered_id
from taximeter_schemas.usage import EmittedEvent

__all__ = ["events_of_response"]

# Shapes of those who sell no model.
_NO_SELLERS = frozenset({"litellm", "otel"})


def events_of_response(
    body: object,
    shape: str | None,
    provider: str | None,
    model: str | None,
    clock: Clock,
    said: dict[str, object],
) -> list[EmittedEvent]:
    """Return the event of a call, and those of what is billed beside it."""
    try:
        reading = reading_from_response(body, shape)
    except UsageUnreadable as error:
        facts = said | {
            "provider": _seller(provider, body, error.shape),
            "model": model or _required(_part(body, "model"), "model"),
        }
        return [usage_not_understood(error, clock=clock, **facts)]
    return _events(reading, body, provider, model, clock, said)


def _events(
    reading: UsageReading,
    body: object,
    provider: str | None,
    model: str | None,
    clock: Clock,
    said: dict[str, object],
) -> list[EmittedEvent]:
    seller = _seller(provider, body, reading.shape)
    facts: dict[str, object] = {
        "event_id": _event_id(seller, reading.response_id, clock),
        "provider": seller,
        "model": model or _required(reading.response_model, "model"),
        **reading.event_fields(),
        **said,
    }
    event = usage_recorded(clock=clock, **facts)
    beside = [
        usage_recorded(
            clock=clock,
            **facts
            | {
                "event_id": derived_id("beside", str(event.event_id), str(place)),
                "model": other.model or facts["model"],
                "usage": other.usage,
                "provider_cost_usd": None,
            },
        )
        for place, other in enumerate(reading.beside)
    ]
    return [event, *beside]


def _event_id(provider: str, response_id: str | None, clock: Clock) -> UUID:
    """Return the id that the litellm callback gives the same answer."""
    if response_id:
        return response_event_id(provider, response_id)
    return time_ordered_id(clock.now())


def _seller(provider: str | None, body: object, shape: str) -> str:
    vendor: object = shape.partition(".")[0]
    if vendor in _NO_SELLERS:
        # What litellm notes on its answers.
        vendor = _part(_part(body, "_hidden_params"), "custom_llm_provider")
    return provider or _required(vendor, "provider")


def _required(found: object, name: str) -> str:
    if not found:
        raise ConfigurationError(f"the answer does not say its {name}: give {name}=")
    return str(found)


def _part(whole: object, name: str) -> object:
    return whole.get(name) if isinstance(whole, dict) else getattr(whole, name, None)
