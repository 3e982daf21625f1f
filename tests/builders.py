"""Things a test needs, built from what it cares about; all else has a default."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4

from taximeter_schemas.ids import derived_id
from taximeter_schemas.usage import (
    Usage,
    UsageNotUnderstood,
    UsageRecorded,
    UsageRepriced,
)

__all__ = ["NOON", "a_repricing", "a_usage", "a_usage_not_understood", "an_id"]

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def an_id(*facts: object) -> UUID:
    """Return an event id: a fresh one, or the one that stands for these facts."""
    return derived_id("test", *map(str, facts)) if facts else uuid4()


def a_usage(**overrides: object) -> UsageRecorded:
    """Return a valid event of a call to a priced model, with the fields given.

    >>> a_usage(user_id="ada").user_id
    'ada'
    """
    fields: dict[str, object] = {
        "event_id": an_id(),
        "occurred_at": NOON,
        "source": "tests",
        "provider": "anthropic",
        "model": "claude-sonnet-4-5",
        "usage": Usage(text_input_tokens=1000, text_output_tokens=200),
        "user_id": "alice",
        "project_id": "search",
    }
    return UsageRecorded.model_validate(fields | overrides)


def a_usage_not_understood(**overrides: object) -> UsageNotUnderstood:
    """Return a valid event of a call whose usage nobody can read.

    >>> a_usage_not_understood(detail="is odd").detail
    'is odd'
    """
    fields: dict[str, object] = {
        "event_id": an_id(),
        "occurred_at": NOON,
        "event_type": "UsageNotUnderstood",
        "provider": "anthropic",
        "model": "claude-sonnet-4-5",
        "shape": "anthropic.messages",
        "detail": "usage.input_tokens is -1, below 0",
        "usage_part": '{"input_tokens": -1}',
    }
    return UsageNotUnderstood.model_validate(fields | overrides)


def a_repricing(**overrides: object) -> UsageRepriced:
    """Return a valid re-pricing of a call that had no price, with the fields given.

    >>> a_repricing().new_output_cost_usd
    Decimal('0.002000000000')
    """
    fields: dict[str, object] = {
        "event_id": an_id(),
        "event_type": "UsageRepriced",
        "occurred_at": NOON,
        "provider": "anthropic",
        "model": "claude-sonnet-4-5",
        "user_id": "alice",
        "project_id": "search",
        "reprices": an_id("repriced"),
        "old_input_cost_usd": "0.000000000000",
        "old_output_cost_usd": "0.000000000000",
        "old_unpriced_reason": "unknown_model",
        "old_price_version": "prices-1",
        "new_input_cost_usd": "0.001000000000",
        "new_output_cost_usd": "0.002000000000",
        "new_price_version": "prices-2",
        "reason": "re-pricing",
        "repriced_by": "grace",
    }
    return UsageRepriced.model_validate(fields | overrides)
