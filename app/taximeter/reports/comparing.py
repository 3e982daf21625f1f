"""Two or more sides of spend beside each other: periods, projects or models."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple, cast

from taximeter.reports.figures import Row, amount, per_call, percent
from taximeter.reports.stretches import Asked, day_stretch, stretch_of
from taximeter.spend_report import Stretch, spend_rows, total_row
from taximeter_schemas.errors import ConfigurationError
from taximeter_sinks.dimensions import Only
from taximeter_sinks.queries import Ledger

__all__ = [
    "METRICS",
    "Side",
    "compared",
    "compared_by",
    "periods",
    "subjects",
    "unfinished",
]

METRICS: Final = ("cost", "calls", "tokens", "average")
_LEAST_SIDES: Final = 2
_MONTH_DASHES: Final = 1
_RANGE: Final = ".."


class Side(NamedTuple):
    """What is held against what: some calls over some time, under a name."""

    name: str
    stretch: Stretch
    only: Only


def periods(text: str, zone: str, only: Only, now: datetime) -> list[Side]:
    """Return the sides that periods like 2026-10,2026-11 mean.

    Each is a month, a year, a day, or two moments with `..` between them.

    Raises:
        ConfigurationError: one is none of these, or there are not two.
    """
    return [
        Side(name, _period(name, zone, now), only) for name in _names(text, "--periods")
    ]


def subjects(dimension: str, text: str, stretch: Stretch, only: Only) -> list[Side]:
    """Return the sides that names of projects, or of models, mean.

    Raises:
        ConfigurationError: there are not two.
    """
    names = _names(text, f"--{dimension}s")
    return [Side(name, stretch, {**only, dimension: [name]}) for name in names]


def unfinished(sides: Sequence[Side], now: datetime) -> list[str]:
    """Return the names of the periods that are not over."""
    return [s.name for s in sides if s.stretch.end is not None and s.stretch.end > now]


def compared(ledger: Ledger, sides: Sequence[Side]) -> list[Row]:
    """Return each metric with its value on every side, and the change."""
    totals = [total_row(ledger, side.stretch, side.only) for side in sides]
    return [
        _line({"metric": metric}, sides, [_value(total, metric) for total in totals])
        for metric in (*METRICS, "unpriced calls")
    ]


def compared_by(
    ledger: Ledger, sides: Sequence[Side], by: str, metric: str
) -> list[Row]:
    """Return a metric for every value of a dimension, the largest first."""
    found = [
        {
            row[by]: _value(row, metric)
            for row in spend_rows(ledger, (by,), side.stretch, only=side.only)
        }
        for side in sides
    ]
    keys = {key: None for values in found for key in values}
    absent = None if metric == "average" else Decimal(0)
    lines = [
        _line({by: key}, sides, [values.get(key, absent) for values in found])
        for key in keys
    ]
    return sorted(lines, key=lambda line: -_largest(line, sides))


def _line(head: Row, sides: Sequence[Side], values: Sequence[Decimal | None]) -> Row:
    first, last = values[0], values[-1]
    change = None if first is None or last is None else last - first
    named = dict(zip([side.name for side in sides], values, strict=True))
    return {**head, **named, "change": change, "change_percent": percent(change, first)}


def _value(row: Row, metric: str) -> Decimal | None:
    if metric == "cost":
        return amount(row["cost_usd"])
    if metric == "average":
        return per_call(row)
    if metric == "tokens":
        return Decimal(int(str(row["input_tokens"])) + int(str(row["output_tokens"])))
    return Decimal(str(row["calls" if metric == "calls" else "unpriced_calls"]))


def _largest(line: Row, sides: Sequence[Side]) -> Decimal:
    said = [cast("Decimal | None", line[side.name]) for side in sides]
    return max((value for value in said if value is not None), default=Decimal(-1))


def _period(text: str, zone: str, now: datetime) -> Stretch:
    start, behind, end = text.partition(_RANGE)
    if behind:
        return stretch_of(Asked(start=start or None, end=end or None, zone=zone), now)
    if "-" not in text:
        return stretch_of(Asked(year=text, zone=zone), now)
    if text.count("-") == _MONTH_DASHES:
        return stretch_of(Asked(month=text, zone=zone), now)
    return day_stretch(text, zone)


def _names(text: str, option: str) -> list[str]:
    names = list(dict.fromkeys(n.strip() for n in text.split(",") if n.strip()))
    if len(names) < _LEAST_SIDES:
        raise ConfigurationError(f"{option} needs two names at least, with a comma")
    return names
