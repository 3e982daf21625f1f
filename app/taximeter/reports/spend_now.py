"""Spend now: today as far as it got, and the same stretch of days that are over.

Yesterday and last week are cut at the same time of day, so that a morning is held
against mornings.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from taximeter.moments import moment_in, time_zone
from taximeter.reports.figures import Row, amount, percent
from taximeter.spend_report import Stretch, named_row
from taximeter_sinks.dimensions import Only
from taximeter_sinks.queries import Ledger

__all__ = ["HELD_AGAINST", "STRETCHES", "changed", "now_stretches", "spend_now"]

STRETCHES: Final = (
    "last_hour",
    "today",
    "yesterday_so_far",
    "yesterday",
    "last_week_so_far",
    "last_week_day",
    "this_month",
)
"""What is added up: `_so_far` until the present time of that day."""

HELD_AGAINST: Final = ("yesterday_so_far", "last_week_so_far")
"""What today is compared with."""

_DAY: Final = timedelta(days=1)
_WEEK: Final = timedelta(days=7)
_HOUR: Final = timedelta(hours=1)


def now_stretches(now: datetime, zone: str) -> dict[str, Stretch]:
    """Return the stretches of `STRETCHES`; what began and is not over has no end.

    The present is the minute that began last: within it the answer stays as it is.

    >>> from datetime import UTC
    >>> found = now_stretches(datetime(2026, 11, 22, 9, tzinfo=UTC), "Europe/Berlin")
    >>> found["yesterday_so_far"].start.isoformat(), found["yesterday_so_far"].end.hour
    ('2026-11-20T23:00:00+00:00', 9)
    """
    minute = now.replace(second=0, microsecond=0)
    here = minute.astimezone(time_zone(zone))
    today = here.date()

    def day(back: timedelta) -> Stretch:
        first = today - back
        return Stretch(moment_in(zone, first), moment_in(zone, first + _DAY), zone)

    def so_far(back: timedelta) -> Stretch:
        first = today - back
        until = moment_in(zone, first, here.time())
        return Stretch(moment_in(zone, first), until, zone)

    return {
        "last_hour": Stretch(minute - _HOUR, None, zone),
        "today": Stretch(moment_in(zone, today), None, zone),
        "yesterday_so_far": so_far(_DAY),
        "yesterday": day(_DAY),
        "last_week_so_far": so_far(_WEEK),
        "last_week_day": day(_WEEK),
        "this_month": Stretch(moment_in(zone, today.replace(day=1)), None, zone),
    }


def spend_now(
    ledger: Ledger, now: datetime, zone: str, only: Only | None = None
) -> dict[str, Row]:
    """Return the sums of each of `STRETCHES`, asked for with one query."""
    stretches = now_stretches(now, zone)
    found = ledger.totals_of([(one.start, one.end) for one in stretches.values()], only)
    return {
        name: named_row((), line) | {"start": one.start, "end": one.end}
        for (name, one), line in zip(stretches.items(), found, strict=True)
    }


def changed(rows: Mapping[str, Row], against: str) -> Decimal | None:
    """Return by how many percent today is above (below 0: below) another stretch.

    None where one of them has no price, or there was nothing to compare with.

    >>> today, then = {"cost_usd": Decimal(3)}, {"cost_usd": Decimal(2)}
    >>> changed({"today": today, "yesterday": then}, "yesterday")
    Decimal('50.00')
    """
    today, before = amount(rows["today"]["cost_usd"]), amount(rows[against]["cost_usd"])
    return None if today is None or before is None else percent(today - before, before)
