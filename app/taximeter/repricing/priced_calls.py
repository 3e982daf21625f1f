"""A call as the ledger has it: what was used, and what it has cost so far. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import NamedTuple

from taximeter_processors.rates import Counts
from taximeter_schemas.usage import UnpricedReason
from taximeter_sinks.charged_calls import FACTS
from taximeter_sinks.columns import Columns

__all__ = ["PricedCall", "priced_calls"]


class PricedCall(NamedTuple):
    """A call with all corrections of its usage in it, and with what it has cost.

    The fields are `FACTS`, and what was used. Amounts are those of its charge and all
    adjustments together; `list_pico` is what the published list says of them, 0 where
    it has no price.
    """

    event_id: str
    occurred_us: int
    alike: str
    own: str
    duration_ms: int | None
    price_version: str
    unpriced_reason: UnpricedReason | None
    input_pico: int
    output_pico: int
    list_pico: int
    adjustments: int
    repricings: int
    used: Counts

    @property
    def statements(self) -> int:
        """How many charges and adjustments there are of it."""
        return self.adjustments + 1

    @property
    def why_unpriced(self) -> UnpricedReason | None:
        """Why it has no price until now, None if it has one."""
        return None if self.repricings else self.unpriced_reason


def priced_calls(stretch: Columns, units: Sequence[str]) -> list[PricedCall]:
    """Return the calls of one stretch of the ledger: `FACTS` and units, by column."""
    facts = [stretch[name] for name in FACTS]
    return list(map(PricedCall._make, zip(*facts, _used(stretch, units), strict=True)))


def _used(stretch: Columns, units: Sequence[str]) -> Iterator[Counts]:
    if not units:
        return repeat({}, len(stretch[FACTS[0]]))
    rows = zip(*(stretch[unit] for unit in units), strict=True)
    return ({unit: n for unit, n in zip(units, row, strict=True) if n} for row in rows)
