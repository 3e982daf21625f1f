"""Stretches of event time: the grain at which spend is kept, and budget periods.

Pure. Every window and period is half-open, `[start, end)`, so a moment lies in
exactly one. A period's start is part of every key that is about it: nothing is ever
reset, and an event that arrives late lands in the period that it belongs to.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final, NamedTuple, cast
from zoneinfo import ZoneInfo

from taximeter_schemas.budgets import WINDOW_SECONDS, BudgetDefined, Period

__all__ = [
    "Bounds",
    "holds",
    "period_bounds",
    "periods_of",
    "rolling_windows",
    "window_start",
]

_ROLLING: Final = "rolling_"
_HOURS: Final = {
    "hour": 1,
    "day": 24,
    "week": 7 * 24,
    "month": 30 * 24,
    "quarter": 90 * 24,
    "year": 365 * 24,
}


class Bounds(NamedTuple):
    """A half-open stretch of event time in UTC; None where it has no end."""

    start: datetime | None
    end: datetime | None


def window_start(moment: datetime) -> int:
    """Return the start, in epoch seconds, of the window that a moment lies in.

    >>> window_start(datetime(2026, 11, 22, 12, 29, 59, tzinfo=UTC)) % 3600
    900
    """
    return int(moment.timestamp()) // WINDOW_SECONDS * WINDOW_SECONDS


@lru_cache(maxsize=65_536)
def period_bounds(period: Period, time_zone: str, window: int) -> Bounds:
    """Return the period, in a time zone, that a window lies in.

    Calendar days are as long as the zone says: 23 or 25 hours when its clocks
    change. Weeks are ISO weeks, from Monday.

    Args:
        period: the budget's period.
        time_zone: an IANA name.
        window: the window's start in epoch seconds.

    >>> noon = int(datetime(2026, 3, 29, 12, tzinfo=UTC).timestamp())
    >>> bounds = period_bounds("day", "Europe/Berlin", noon)
    >>> bounds.end - bounds.start  # clocks go forward on that day
    datetime.timedelta(seconds=82800)
    """
    if period == "total":
        return Bounds(None, None)
    zone = ZoneInfo(time_zone)
    if period == "hour":
        return _hour(window, zone)
    local = datetime.fromtimestamp(window, zone)
    first, after = _dates(period, local.date())
    return Bounds(_midnight(first, zone), _midnight(after, zone))


def rolling_windows(period: Period) -> int:
    """Return how many windows a rolling period is long; 0 if it is none.

    A rolling month is 30 days, a quarter 90, a year 365.

    >>> rolling_windows("rolling_day"), rolling_windows("day")
    (96, 0)
    """
    if not period.startswith(_ROLLING):
        return 0
    return _HOURS[period.removeprefix(_ROLLING)] * 3600 // WINDOW_SECONDS


def periods_of(budget: BudgetDefined, window: int) -> list[Bounds]:
    """Return the periods of a budget that a window counts in.

    A rolling period has none of its own: those are stretches of the calendar, for
    each of which a threshold is raised once, and a window counts in all of them that
    have a moment at which it is among the last so many.
    """
    if budget.period == "fixed":
        bounds = Bounds(budget.starts_at, budget.ends_at)
        return [bounds] if holds(bounds, window) else []
    if not budget.period.startswith(_ROLLING):
        return [period_bounds(budget.period, budget.time_zone, window)]
    calendar = cast("Period", budget.period.removeprefix(_ROLLING))
    last = window + (rolling_windows(budget.period) - 1) * WINDOW_SECONDS
    found = [period_bounds(calendar, budget.time_zone, window)]
    while not holds(found[-1], last):
        after = window_start(cast("datetime", found[-1].end))
        found.append(period_bounds(calendar, budget.time_zone, after))
    return found


def holds(bounds: Bounds, window: int) -> bool:
    """Tell whether a window lies within a period."""
    start, end = bounds
    return (start is None or start.timestamp() <= window) and (
        end is None or window < end.timestamp()
    )


def _hour(window: int, zone: ZoneInfo) -> Bounds:
    # Window by window, so that the hour which a zone has twice when its clocks go
    # back is two periods, and one that its clocks cut short (Lord Howe's change by
    # half an hour) overlaps no other.
    hour = _local_hour(window, zone)
    start, end = window, window + WINDOW_SECONDS
    while _local_hour(start - WINDOW_SECONDS, zone) == hour:
        start -= WINDOW_SECONDS
    while _local_hour(end, zone) == hour:
        end += WINDOW_SECONDS
    return Bounds(datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC))


def _local_hour(window: int, zone: ZoneInfo) -> tuple[date, int, timedelta | None]:
    local = datetime.fromtimestamp(window, zone)
    return local.date(), local.hour, local.utcoffset()


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _dates(period: Period, day: date) -> tuple[date, date]:
    match period:
        case "day":
            return day, day + timedelta(days=1)
        case "week":
            monday = day - timedelta(days=day.weekday())
            return monday, monday + timedelta(days=7)
        case "month":
            return _months(day.year, day.month, 1)
        case "quarter":
            return _months(day.year, (day.month - 1) // 3 * 3 + 1, 3)
        case _:
            return _months(day.year, 1, 12)


def _months(year: int, month: int, count: int) -> tuple[date, date]:
    years, following = divmod(month - 1 + count, 12)
    return date(year, month, 1), date(year + years, following + 1, 1)
