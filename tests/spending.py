"""Calls, and what they come to: the dictionary that the whole core is held against."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from taximeter_processors.pricing import PriceBook
from taximeter_processors.windows import window_start
from taximeter_schemas.spend import Partial
from taximeter_schemas.usage import Usage, UsageRecorded
from tests.builders import a_usage, an_id
from tests.metering import UNPRICED

__all__ = ["BOOK", "Call", "Spend", "a_call", "cost_of", "spend_of", "sums_in"]

_INPUT_PICO, _OUTPUT_PICO = 3_000_001, 15_000_000
_PRICES: Final = {
    "litellm_provider": "acme",
    "input_cost_per_token": "0.000003000001",
    "output_cost_per_token": "0.000015",
}
BOOK: Final = PriceBook({"priced": _PRICES}, "odd-1")

Spend = dict[tuple[str, str, int], Counter[str]]
"""Sums by subject and window."""


class Call(NamedTuple):
    """What a test cares about in a call; `late` is how long ago it happened."""

    model: str
    user: str
    tokens_in: int
    tokens_out: int
    late: timedelta


def a_call(number: int, call: Call, now: datetime) -> UsageRecorded:
    """Return the event of a call; the same number is the same event."""
    usage = Usage(text_input_tokens=call.tokens_in, text_output_tokens=call.tokens_out)
    return a_usage(
        event_id=an_id("spending", number),
        occurred_at=now - call.late,
        provider="acme",
        model=call.model,
        usage=usage,
        user_id=call.user,
    )


def cost_of(event: UsageRecorded) -> int | None:
    """Return what a call costs, in whole pico-dollars."""
    if event.model == UNPRICED:
        return None
    used = event.usage
    return used.text_input_tokens * _INPUT_PICO + used.text_output_tokens * _OUTPUT_PICO


def spend_of(events: Iterable[UsageRecorded]) -> Spend:
    """Add up what calls come to, for everybody and every window.

    >>> calls = [a_usage(model=UNPRICED, user_id="ada")] * 2
    >>> [sums["unpriced_calls"] for sums in spend_of(calls).values()]
    [2, 2, 2, 2]
    """
    spend: Spend = defaultdict(Counter)
    for event in events:
        for kind, name in (
            ("all", ""),
            ("user", event.user_id),
            ("model", event.model),
            ("project", event.project_id),
        ):
            spend[kind, name, window_start(event.occurred_at)].update(_added(event))
    return spend


def sums_in(partials: Iterable[Partial]) -> Counter[str]:
    """Add up the partial sums of one row."""
    sums = Counter[str]()
    for partial in partials:
        sums.update(partial._asdict() | {"cost_pico": int(partial.cost_pico)})
    del sums["offset"]
    return sums


def _added(event: UsageRecorded) -> dict[str, int]:
    cost, used = cost_of(event), event.usage
    return {
        "cost_pico": cost or 0,
        "calls": 1,
        "unpriced_calls": int(cost is None),
        "tokens": used.text_input_tokens + used.text_output_tokens,
    }
