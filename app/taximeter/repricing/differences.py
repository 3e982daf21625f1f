"""What each call would cost, held against what it has cost. Pure.

A price is never taken away: a call that the other prices do not know keeps what it has
cost, and is counted as kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from taximeter.repricing.priced_calls import PricedCall, pico
from taximeter_processors.charging import Amounts, Pricer, amounts_of
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


@dataclass
class Comparison:
    """Old against new, model by model, while calls pass.

    Args:
        pricer: the prices that are to hold.
        wish: what the adjustments say of their cause.
    """

    pricer: Pricer
    wish: Wish
    totals: dict[tuple[str, str], ModelTotals] = field(
        default_factory=dict[tuple[str, str], ModelTotals]
    )

    def differing(
        self, calls: Iterable[PricedCall]
    ) -> Iterator[tuple[PricedCall, Amounts]]:
        """Count each call; yield those that have to be adjusted, with the new price."""
        for one in calls:
            amounts = amounts_of(one.call, self.pricer) if one.usable else None
            if self._counted(one, amounts) and amounts is not None:
                yield one, amounts

    def _counted(self, one: PricedCall, amounts: Amounts | None) -> bool:
        total = self._total(one)
        old_input, old_output = pico(one.input_cost_usd), pico(one.output_cost_usd)
        old = old_input + old_output
        total.calls += 1
        total.old_pico += old
        if amounts is None or amounts.cost_pico is None:
            total.new_pico += old
            total.unpriced += one.unpriced_reason is not None
            total.kept += one.unpriced_reason is None
            return False
        total.new_pico += amounts.cost_pico
        total.priced += one.unpriced_reason is not None
        differs = one.unpriced_reason is not None or (
            (amounts.input_pico, amounts.output_pico) != (old_input, old_output)
        )
        total.adjustments += differs
        return differs

    def _total(self, one: PricedCall) -> ModelTotals:
        key = one.call.provider, one.call.model
        total = self.totals.get(key)
        if total is None:
            total = self.totals[key] = ModelTotals(*key)
        return total

    def encoded(self, one: PricedCall, amounts: Amounts) -> tuple[bytes, bytes]:
        """Return the `UsageRepriced` for a call as it travels: its key and its JSON.

        It is written as bytes at once, like a charge; a test holds them to the model.
        """
        event_id = repriced_event_id(one.event_id, one.statements)
        said = one.said[1:-1]
        event = (
            f'{{"event_id":"{event_id}",{said},"event_type":"UsageRepriced",'
            f'"reprices":"{one.event_id}",'
            f'"old_input_cost_usd":"{one.input_cost_usd}",'
            f'"old_output_cost_usd":"{one.output_cost_usd}",'
            f'"new_input_cost_usd":"{usd_text(amounts.input_pico or 0)}",'
            f'"new_output_cost_usd":"{usd_text(amounts.output_pico or 0)}",'
            f"{_listed(one, amounts)}{self._cause(one, amounts)}}}"
        )
        return event_id.encode(), event.encode()

    def _cause(self, one: PricedCall, amounts: Amounts) -> str:
        facts = (
            one.unpriced_reason,
            one.price_version,
            amounts.price_version,
            amounts.price_match,
        )
        return _cause(*facts, *self.wish)


def _listed(one: PricedCall, amounts: Amounts) -> str:
    """Say what the list says, where that differs by another amount than the cost."""
    if amounts.cost_pico is None:
        return ""
    old = pico(one.list_cost_usd)
    cost = pico(one.input_cost_usd) + pico(one.output_cost_usd)
    listed = amounts.listed.pico if amounts.listed else amounts.cost_pico
    new = old if listed is None else listed
    if new - old == amounts.cost_pico - cost:
        return ""
    return (
        f'"old_list_cost_usd":"{usd_text(old)}","new_list_cost_usd":"{usd_text(new)}",'
    )


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
        "old_unpriced_reason": old_reason,
        "old_price_version": old_version,
        "new_price_version": new_version,
        "price_match": match,
        "reason": reason,
        "repriced_by": who,
    }
    return json.dumps(fields, separators=(",", ":"))[1:-1]
