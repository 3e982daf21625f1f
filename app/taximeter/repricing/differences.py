"""What each call would cost, held against what it has cost. Pure.

A price is never taken away: a call that the other prices do not know keeps what it has
cost, and is counted as kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from taximeter.repricing.alike import Alike, Kinds, moment_of
from taximeter.repricing.priced_calls import PricedCall
from taximeter_processors.price_versions import Prices
from taximeter_processors.priced import Priced
from taximeter_producers.packing import EncodedEvent
from taximeter_schemas.ids import repriced_event_id
from taximeter_schemas.money import usd_text

__all__ = ["Comparison", "ModelTotals", "Wish"]


class Wish(NamedTuple):
    """Why prices are to change, and who wants it, as every adjustment says."""

    reason: str
    who: str


@dataclass
class ModelTotals:
    """The calls of one model at one provider, in pico-dollars and numbers of calls.

    `priced` are those that had no price and get one, `unpriced` have none and get none,
    `kept` have one that the other prices lack. `adjustments` is how many change.
    """

    provider: str
    model: str
    calls: int = 0
    old_pico: int = 0
    new_pico: int = 0
    priced: int = 0
    unpriced: int = 0
    kept: int = 0
    adjustments: int = 0


class Comparison:
    """Old against new, model by model, while calls pass.

    Args:
        prices: those that are to hold.
        wish: what the adjustments say of their cause.
    """

    def __init__(self, prices: Prices, wish: Wish) -> None:
        self.totals: dict[tuple[str, str], ModelTotals] = {}
        self._prices = prices
        self._wish = wish
        self._kinds = Kinds(None)

    def differing(
        self, calls: Sequence[PricedCall]
    ) -> Iterator[tuple[PricedCall, Priced]]:
        """Count each call; yield those that have to be adjusted, with the new price."""
        kinds = self._kinds_of(calls)
        for one in calls:
            kind = kinds.of(one)
            priced = kind.price(one, self._prices) if _usable(one) else None
            if self._counted(one, self._total(kind), priced) and priced is not None:
                yield one, priced

    def _kinds_of(self, calls: Sequence[PricedCall]) -> Kinds:
        """Return the kinds of these calls, with prices if one book is for all of them.

        Books follow each other, so that it is if it is for the first and the last.
        """
        moments = [one.occurred_us for one in calls]
        book = last = None
        if moments:
            book = self._prices.book_at(moment_of(min(moments)))
            last = self._prices.book_at(moment_of(max(moments)))
        if book is not last:
            book = None
        if self._kinds.book is not book:
            self._kinds = Kinds(book)
        return self._kinds

    def _counted(
        self, one: PricedCall, total: ModelTotals, priced: Priced | None
    ) -> bool:
        old = one.input_pico + one.output_pico
        unpriced = one.why_unpriced is not None
        total.calls += 1
        total.old_pico += old
        if priced is None or priced.input_pico is None or priced.output_pico is None:
            total.new_pico += old
            total.unpriced += unpriced
            total.kept += not unpriced
            return False
        total.new_pico += priced.input_pico + priced.output_pico
        total.priced += unpriced
        differs = (
            unpriced
            or priced.input_pico != one.input_pico
            or priced.output_pico != one.output_pico
        )
        total.adjustments += differs
        return differs

    def _total(self, kind: Alike) -> ModelTotals:
        key = kind.provider, kind.model
        total = self.totals.get(key)
        if total is None:
            total = self.totals[key] = ModelTotals(*key)
        return total

    def encoded(self, one: PricedCall, priced: Priced) -> EncodedEvent:
        """Return the `UsageRepriced` for a call as it travels.

        It is written as bytes at once, like a charge; a test holds them to the model.
        """
        event_id = repriced_event_id(one.event_id, one.statements)
        event = (
            f'{{"event_id":"{event_id}",{one.own},{self._kinds.of(one).said},'
            f'"event_type":"UsageRepriced","reprices":"{one.event_id}",'
            f"{_amounts(one, priced)}{self._cause(one, priced)}}}"
        )
        return EncodedEvent(event_id.encode(), event.encode())

    def _cause(self, one: PricedCall, priced: Priced) -> str:
        old, new = one.price_version, priced.price_version
        return _cause(one.why_unpriced, old, new, priced.price_match, *self._wish)


def _usable(one: PricedCall) -> bool:
    """Tell whether it has a price: corrections may take away more than there was."""
    return not one.used or min(one.used.values()) >= 0


def _amounts(one: PricedCall, priced: Priced) -> str:
    old_input, old_output = one.input_pico, one.output_pico
    new_input, new_output = priced.input_pico or 0, priced.output_pico or 0
    costs = (
        f'"old_input_cost_usd":"{usd_text(old_input)}",'
        f'"old_output_cost_usd":"{usd_text(old_output)}",'
        f'"new_input_cost_usd":"{usd_text(new_input)}",'
        f'"new_output_cost_usd":"{usd_text(new_output)}",'
    )
    old, new = one.list_pico, new_input + new_output
    if priced.listed is not None:
        new = old if priced.listed.pico is None else priced.listed.pico
    if new - old == new_input + new_output - old_input - old_output:
        return costs
    # What the list says is told where that differs by another amount than the cost.
    listed = f'"old_list_cost_usd":"{usd_text(old)}","new_list_cost_usd":'
    return f'{costs}{listed}"{usd_text(new)}",'


@lru_cache(maxsize=4_096)
def _cause(
    old_reason: str | None,
    old_version: str,
    new_version: str,
    match: str | None,
    reason: str,
    who: str,
) -> str:
    # The same few come again and again.
    fields = {
        "old_price_version": old_version,
        "new_price_version": new_version,
        "price_match": match,
        "reason": reason,
        "repriced_by": who,
    }
    if old_reason is not None:
        fields["old_unpriced_reason"] = old_reason
    return json.dumps(fields, separators=(",", ":"))[1:-1]
