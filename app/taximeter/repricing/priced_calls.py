"""A call as the ledger has it: what was used, and what it has cost so far. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any, NamedTuple

import pyarrow as pa

from taximeter_processors.rates import Counts
from taximeter_schemas.usage import UnpricedReason
from taximeter_sinks.charged_calls import FACTS

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


def priced_calls(stretch: pa.Table, units: Sequence[str]) -> list[PricedCall]:
    """Return the calls of one stretch of the ledger: `FACTS` and units, by column."""
    facts = [_values(stretch.column(name)) for name in FACTS]
    return list(map(PricedCall._make, zip(*facts, _used(stretch, units), strict=True)))


def _used(stretch: pa.Table, units: Sequence[str]) -> Iterator[Counts]:
    if not units:
        return repeat({}, stretch.num_rows)
    counts = zip(*(stretch.column(unit).to_pylist() for unit in units), strict=True)
    return (
        {unit: n for unit, n in zip(units, row, strict=True) if n} for row in counts
    )


def _values(column: pa.ChunkedArray) -> list[Any]:
    if not pa.types.is_decimal(column.type):
        values: list[Any] = column.to_pylist()
        return values
    return [pico for chunk in column.chunks for pico in _pico(chunk)]


def _pico(usd: pa.Array) -> list[int]:
    """Return amounts of 12 places in pico-dollars: the digits as they are.

    >>> from decimal import Decimal
    >>> money = pa.decimal128(38, 12)
    >>> _pico(pa.array([Decimal("-0.000000000012"), Decimal(10**14)], money))
    [-12, 100000000000000000000000000]
    """
    whole = pa.decimal128(usd.type.precision, 0)
    pico = pa.Array.from_buffers(whole, len(usd), usd.buffers(), offset=usd.offset)
    try:
        values: list[int] = pico.cast(pa.int64()).to_pylist()
    except pa.ArrowInvalid:  # more than nine million dollars for one call
        return [int(value) for value in pico.to_pylist()]
    return values
