"""What a spend report says, as rows: for the command, the demo and the API alike.

A row whose calls are all unpriced has the cost None, never 0; one without any calls
did cost nothing, and that is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from taximeter.moments import parse_moment, time_zone
from taximeter_schemas.errors import ConfigurationError
from taximeter_sinks.dimensions import Only, key
from taximeter_sinks.queries import Ledger, SpendRow
from taximeter_sinks.spend import DIMENSIONS, LIST_SUMS, SUMS

__all__ = [
    "DIMENSIONS",
    "LIST_SUMS",
    "SUMS",
    "Stretch",
    "costed",
    "differs_from_list",
    "named_row",
    "parse_dimensions",
    "spend_rows",
    "total_row",
]

Row = dict[str, object]

_NOTHING: Final = Decimal("0.000000000000")


@dataclass(frozen=True)
class Stretch:
    """The half-open stretch `[start, end)` of event time that a report is about."""

    start: datetime | None = None
    end: datetime | None = None
    zone: str = "UTC"

    @property
    def is_limited(self) -> bool:
        """Whether it is not all time."""
        return self.start is not None or self.end is not None

    @classmethod
    def parse(cls, start: str | None, end: str | None, zone: str) -> Stretch:
        """Return the stretch that people's words mean.

        Raises:
            ConfigurationError: one of them is no moment or no time zone.
        """
        time_zone(zone)
        return cls(
            None if start is None else parse_moment(start, zone),
            None if end is None else parse_moment(end, zone),
            zone,
        )


def parse_dimensions(text: str) -> tuple[str, ...]:
    """Return the dimensions of a list with commas; none for an empty one.

    Raises:
        ConfigurationError: one is unknown or stands there twice.

    >>> parse_dimensions("user, day")
    ('user', 'day')
    """
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        key(name)  # or say which ones there are
    if len(set(names)) < len(names):
        raise ConfigurationError(f"each dimension can stand once in {text[:80]!r}")
    return names


def spend_rows(
    ledger: Ledger,
    by: Sequence[str],
    stretch: Stretch,
    limit: int | None = None,
    only: Only | None = None,
) -> list[Row]:
    """Return spend by these dimensions, with names for what stands in a row."""
    found = ledger.spend(by, stretch.start, stretch.end, stretch.zone, limit, only)
    return [named_row(by, line) for line in found]


def total_row(ledger: Ledger, stretch: Stretch, only: Only | None = None) -> Row:
    """Return the spend of everything, or of `only` these calls."""
    return named_row((), ledger.totals(stretch.start, stretch.end, only))


def differs_from_list(row: Row) -> bool:
    """Tell whether own prices or mark-ups made a row what it is.

    >>> differs_from_list({"markup_usd": Decimal(0), "unlisted_calls": 0,
    ...                    "cost_usd": Decimal(1), "list_cost_usd": Decimal(1)})
    False
    """
    if row["markup_usd"] or row["unlisted_calls"]:
        return True
    return row["list_cost_usd"] not in (None, row["cost_usd"])


def costed(row: Row) -> Row:
    """Return a row of sums in which no calls at all did cost 0, and not None."""
    if row["cost_usd"] is None and not row["unpriced_calls"]:
        return row | {"cost_usd": _NOTHING, "list_cost_usd": _NOTHING}
    return row


def named_row(by: Sequence[str], line: SpendRow) -> Row:
    """Return a line of the ledger by the names of its columns."""
    sums: Row = {name: getattr(line, name) for name in (*SUMS, *LIST_SUMS)}
    return dict(zip(by, line.keys, strict=True)) | costed(sums)
