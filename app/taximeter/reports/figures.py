"""What a row of sums says about its calls: averages, shares, prices for 1,000 tokens.

Pure. Amounts are decimals of twelve places, rounded once, half-even; what cannot be
said, since nothing in the row has a price, is None and never 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final, cast

from taximeter.spend_report import LIST_SUMS, SUMS, Stretch, costed
from taximeter_sinks.call_costs import CALL_FIGURES, NARROW_LIMIT, call_costs_query
from taximeter_sinks.dimensions import Only
from taximeter_sinks.queries import Ledger

__all__ = [
    "FIGURES",
    "MONEY_PLACES",
    "Row",
    "added",
    "amount",
    "figure_rows",
    "per_call",
    "percent",
    "with_shares",
]

Row = dict[str, object]

FIGURES: Final = (
    "share_percent",
    "average_usd",
    "median_usd",
    "p95_usd",
    "usd_per_1k_tokens",
    "success_percent",
)
"""What stands behind a row's sums."""

_QUANTILES: Final = ("median_usd", "p95_usd")
MONEY_PLACES: Final = Decimal("1e-12")
_PERCENT_PLACES: Final = Decimal("0.01")
_NOTHING: Final = Decimal(0).quantize(MONEY_PLACES)


def figure_rows(
    ledger: Ledger,
    by: Sequence[str],
    stretch: Stretch,
    limit: int | None = None,
    only: Only | None = None,
) -> list[Row]:
    """Return spend by these dimensions, each row with all `FIGURES` but its share."""
    rows = _asked(ledger, by, stretch, limit, only, narrow=True)
    if any(_is_cut_off(row[name]) for row in rows for name in _QUANTILES):
        rows = _asked(ledger, by, stretch, limit, only, narrow=False)
    return [_figured(row) for row in rows]


def _asked(
    ledger: Ledger,
    by: Sequence[str],
    stretch: Stretch,
    limit: int | None,
    only: Only | None,
    *,
    narrow: bool,
) -> list[Row]:
    start, end, zone = stretch.start, stretch.end, stretch.zone
    version = ledger.schema_version()
    query = call_costs_query(by, start, end, zone, limit, version, only, narrow=narrow)
    names = (*by, *SUMS, *LIST_SUMS, *CALL_FIGURES)
    return [dict(zip(names, row, strict=True)) for row in ledger.sql(query).rows]


def _is_cut_off(quantile: object) -> bool:
    cost = amount(quantile)
    return cost is not None and abs(cost) >= NARROW_LIMIT


def with_shares(rows: Iterable[Row], total: Row) -> list[Row]:
    """Return rows with the share that each has of the total."""
    whole = amount(total["cost_usd"])
    return [
        {**row, "share_percent": percent(amount(row["cost_usd"]), whole)}
        for row in rows
    ]


def added(rows: Iterable[Row], names: Sequence[str] = (*SUMS, *LIST_SUMS)) -> Row:
    """Return the sums of rows; what none of them says stays None, but for no rows.

    >>> added([{"cost_usd": None}, {"cost_usd": Decimal(1)}], ["cost_usd"])
    {'cost_usd': Decimal('1')}
    """
    kept = list(rows)
    if not kept:
        return {n: _NOTHING if n.endswith("cost_usd") else 0 for n in names}
    return {name: _sum([row[name] for row in kept]) for name in names}


def per_call(row: Row) -> Decimal | None:
    """Return what a priced call costs on average.

    >>> per_call({"cost_usd": Decimal(1), "calls": 4, "unpriced_calls": 1})
    Decimal('0.333333333333')
    """
    return _quotient(row["cost_usd"], _count(row, "calls") - _unpriced(row))


def percent(part: Decimal | None, whole: Decimal | None) -> Decimal | None:
    """Return how much of a whole a part is, to two places; None of nothing.

    >>> percent(Decimal(1), Decimal(8)), percent(Decimal(1), Decimal(0))
    (Decimal('12.50'), None)
    """
    if part is None or not whole:
        return None
    return (part * 100 / whole).quantize(_PERCENT_PLACES, ROUND_HALF_EVEN)


def amount(value: object) -> Decimal | None:
    """Return an amount of a row, for those who have to know its type."""
    return cast("Decimal | None", value)


def _figured(row: Row) -> Row:
    priced_tokens, ok_calls = row.pop("priced_tokens"), row.pop("ok_calls")
    row = costed(row)
    return row | {
        "average_usd": per_call(row),
        "usd_per_1k_tokens": _quotient(row["cost_usd"], int(str(priced_tokens)), 1000),
        "success_percent": percent(
            Decimal(str(ok_calls)), Decimal(_count(row, "calls"))
        ),
    }


def _quotient(usd: object, count: int, of: int = 1) -> Decimal | None:
    cost = amount(usd)
    if cost is None or count <= 0:
        return None
    return (cost * of / count).quantize(MONEY_PLACES, ROUND_HALF_EVEN)


def _count(row: Row, name: str) -> int:
    return int(str(row[name]))


def _unpriced(row: Row) -> int:
    return _count(row, "unpriced_calls")


def _sum(values: Sequence[object]) -> object:
    said = [value for value in values if value is not None]
    return (
        sum(cast("list[Decimal]", said[1:]), cast("Decimal", said[0])) if said else None
    )
