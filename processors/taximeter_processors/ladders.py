"""Which rates hold for a request of how many input tokens.

Providers price long requests higher, and the whole request at once: passing a
threshold moves every token of it, not just those above. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Final, cast

from taximeter_processors.price_entries import PriceEntry, pico_per_unit
from taximeter_processors.rates import RateCard, rate_card

__all__ = ["Ladder", "marked_up", "price_ladder"]

Ladder = tuple[tuple[int, RateCard], ...]
"""(above, rates): the last step with fewer than the request's input tokens holds."""

_THRESHOLD: Final = re.compile(
    r"(?:(?:in|out)put_cost_per_(?:token|character|image|(?:audio|video)_per_second)"
    r"|cache_(?:read|creation)_input_token_cost)(?:_above_(?:1|12)hr)?"
    r"_above_(?P<spelt>(?P<number>\d+)(?P<kilo>k?))_tokens(?:_(?P<suffix>[a-z]+))?"
)

# "reaches the threshold" instead of "exceeds" it.
_INCLUSIVE: Final = frozenset({"xai"})


def price_ladder(entry: PriceEntry) -> Ladder:
    """Return the steps of a model's prices by input tokens, lowest first.

    >>> fields = {"litellm_provider": "gemini", "input_cost_per_token": "1e-6",
    ...           "input_cost_per_token_above_200k_tokens": "2e-6"}
    >>> [above for above, _ in price_ladder(PriceEntry("gemini/m", fields))]
    [-1, 200000]

    xAI charges the higher price from the threshold on:

    >>> fields["litellm_provider"] = "xai"
    >>> [above for above, _ in price_ladder(PriceEntry("xai/m", fields))]
    [-1, 199999]
    """
    tiered = tuple(_tiered(entry))
    if tiered:
        # A request without input is in the first tier.
        return ((-1, tiered[0][1]), *tiered[1:])
    return tuple(_by_thresholds(entry))


def marked_up(ladder: Ladder, factor: Fraction) -> Ladder:
    """Return the steps with every price multiplied, before anything is rounded.

    >>> ladder = price_ladder(PriceEntry("m", {"input_cost_per_token": "1e-6"}))
    >>> marked_up(ladder, Fraction(6, 5))[0][1].inputs["text_input_tokens"]
    Fraction(1200000, 1)
    """
    if factor == 1:
        return ladder
    return tuple((above, rates.times(factor)) for above, rates in ladder)


def _by_thresholds(entry: PriceEntry) -> Iterator[tuple[int, RateCard]]:
    passed: list[str] = []
    yield -1, rate_card(entry)
    reached = 1 if entry.family in _INCLUSIVE else 0
    for tokens, spelt in sorted(_thresholds(entry)):
        passed.append(spelt)
        yield tokens - reached, rate_card(entry, passed)


def _thresholds(entry: PriceEntry) -> set[tuple[int, str]]:
    found: set[tuple[int, str]] = set()
    for key, value in entry.fields.items():
        match = _THRESHOLD.fullmatch(key)
        if match is None or (match["suffix"] or "") not in ("", entry.suffix):
            continue
        if pico_per_unit(value) is not None:
            tokens = int(match["number"]) * (1000 if match["kilo"] else 1)
            found.add((tokens, match["spelt"]))
    return found


def _tiered(entry: PriceEntry) -> Iterator[tuple[int, RateCard]]:
    """The steps of a `tiered_pricing` table, whose tiers stand for all token prices."""
    tiers: list[tuple[int, Mapping[str, object]]] = []
    for tier in _tables(entry.fields.get("tiered_pricing")):
        start = _start(tier.get("range"))
        if start is not None and "input_cost_per_token" in tier:
            tiers.append((start, tier))
    for start, tier in sorted(tiers, key=lambda step: step[0]):
        yield start, rate_card(entry.replaced(_in_tier(entry.fields, tier)))


def _in_tier(
    fields: Mapping[str, object], tier: Mapping[str, object]
) -> dict[str, object]:
    """A tier's own prices; only what it says nothing of comes from the entry.

    A tier without an output price leaves the entry's output and reasoning prices.
    """
    replaced = ["input_cost_per_token", "cache_read_", "cache_creation_"]
    if "output_cost_per_token" in tier:
        replaced += ["output_cost_per_token", "output_cost_per_reasoning_token"]
    kept = {
        key: value
        for key, value in fields.items()
        if not key.startswith(tuple(replaced))
    }
    return kept | dict(tier)


def _tables(value: object) -> list[Mapping[str, object]]:
    rows = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("dict[str, object]", row) for row in rows if isinstance(row, dict)]


def _start(limits: object) -> int | None:
    if not isinstance(limits, list):
        return None
    first = next(iter(cast("list[object]", limits)), None)
    return int(first) if isinstance(first, (int, Decimal)) else None
