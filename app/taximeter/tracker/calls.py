"""One tracked call, as it stands in a tracker's history. Pure."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TypedDict

from taximeter_processors.charging import Amounts, amounts_of
from taximeter_processors.pricing import PriceBook
from taximeter_schemas.money import usd_from_pico
from taximeter_schemas.usage import (
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    UNATTRIBUTED,
    EmittedEvent,
    Usage,
    UsageCorrected,
    UsageNotUnderstood,
    UsageRecorded,
)

__all__ = ["TrackedCall", "is_idle_failure", "priced_call"]


class TrackedCall(TypedDict):
    """What one call used and cost; `cost_usd` is None where no price is known.

    `status` is "ok", "error", or "corrected": then it is the difference that a
    correction adds to an earlier call.
    """

    event_id: str
    occurred_at: datetime
    provider: str
    model: str
    user_id: str
    project_id: str
    session_id: str
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal | None
    unpriced_reason: str | None
    status: str


def priced_call(event: EmittedEvent, book: PriceBook) -> tuple[TrackedCall, int | None]:
    """Return a call and what it costs in pico-dollars, None where that is unknown."""
    if isinstance(event, UsageNotUnderstood):
        return _call(event, None, "usage_not_understood", "ok", (0, 0)), None
    amounts: Amounts = amounts_of(event, book)
    if isinstance(event, UsageCorrected):
        status, tokens = "corrected", _minus(event.new_usage, event.old_usage)
    else:
        status, tokens = event.status, _tokens(event.usage)
    cost = amounts.cost_pico
    return _call(event, cost, amounts.unpriced_reason, status, tokens), cost


def is_idle_failure(event: EmittedEvent) -> bool:
    """Tell whether a call failed before it had used anything."""
    if not isinstance(event, UsageRecorded) or event.status != "error":
        return False
    return not event.usage.model_dump(exclude_defaults=True)


def _call(
    event: EmittedEvent,
    cost_pico: int | None,
    unpriced_reason: str | None,
    status: str,
    tokens: tuple[int, int],
) -> TrackedCall:
    return TrackedCall(
        event_id=str(event.event_id),
        occurred_at=event.occurred_at,
        provider=event.provider,
        model=event.model,
        user_id=event.user_id,
        project_id=event.project_id,
        session_id=event.session_id or UNATTRIBUTED,
        input_tokens=tokens[0],
        output_tokens=tokens[1],
        cost_usd=None if cost_pico is None else usd_from_pico(cost_pico),
        unpriced_reason=unpriced_reason,
        status=status,
    )


def _tokens(usage: Usage) -> tuple[int, int]:
    sent = sum(getattr(usage, name) for name in INPUT_TOKENS)
    made = sum(getattr(usage, name) for name in OUTPUT_TOKENS)
    return sent, made


def _minus(new: Usage, old: Usage) -> tuple[int, int]:
    (sent, made), (sent_before, made_before) = _tokens(new), _tokens(old)
    return sent - sent_before, made - made_before
