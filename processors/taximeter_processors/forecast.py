"""What a subject will have spent by the end of a period, from its hourly history.

Pure. Amounts are whole pico-dollars, tokens or calls; floats are only what is expected.

What it assumes: days of the same name are alike, the hours of a day have the same
shares on every day, and what changes does so within weeks. It knows of no holidays.

1. A weekday is expected to be what it was in the last eight weeks: of four days or
   more the greatest and the least are left out, and each week counts three quarters of
   the one after it.
2. An hour is expected to have its day's amount times the share that this hour of the
   day had in all of it.
3. The rest of the period is the sum of what its hours are expected to be; what is left
   of the hour that runs counts by its length.
4. The range holds four times out of five if days err independently of each other: with
   `s` for their error (1.2533 times its mean size, which is the standard deviation of
   normal errors and suffers less from single days), `n` days to come and `m` days of
   history, it is 1.2816 · s · √(n + n²/m) either way, and never below what is spent.

With less than two weeks of history the rest goes on as the period did so far, by its
length, with hours in the place of days, and errors of 1/√m of the rest at least.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from math import sqrt
from statistics import fmean
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

__all__ = [
    "HISTORY",
    "HOUR_SECONDS",
    "Hourly",
    "LocalHour",
    "Pace",
    "Projection",
    "local_hour",
    "pace_of",
    "project",
]

HISTORY: Final = timedelta(weeks=8)
"""How far back history is of use."""

HOUR_SECONDS: Final = 3600
_DAY_SECONDS: Final = 86_400
_ENOUGH_DAYS: Final = 14
_TRIMMED_FROM: Final = 4
_FADES_BY: Final = 0.75
_MEAN_TO_SIGMA: Final = 1.2533
_FOUR_OF_FIVE: Final = 1.2816
_HOURS: Final = 24
_ROUNDING: Final = 1e-9  # what adding up floats may lose

Hourly = Mapping[int, int]
"""Amounts by the hour's start in epoch seconds; an hour that is missing has none."""


class LocalHour(NamedTuple):
    """An hour as its zone has it; `day` is the date's ordinal."""

    day: int
    weekday: int
    hour: int


@lru_cache(maxsize=32_768)
def local_hour(hour: int, zone: ZoneInfo) -> LocalHour:
    """Return what an hour, given by its start in epoch seconds, is called in a zone."""
    local = datetime.fromtimestamp(hour, zone)
    return LocalHour(local.toordinal(), local.weekday(), local.hour)


@dataclass(frozen=True)
class Projection:
    """What will have been spent at the end of a period, with what has been.

    `crosses_at` is when the limit is expected to be reached: None if it is not before
    the end, or has been already.
    """

    low: int
    expected: int
    high: int
    crosses_at: datetime | None


@dataclass(frozen=True)
class Pace:
    """What is expected of the time to come.

    Attributes:
        weekdays: what each day is expected to have, from Monday.
        shares: what part of it each hour has.
        zone: whose days and hours they are.
        error: the standard error of one unit of time.
        unit_seconds: how long that unit is.
        known: how many units of history there are.
        least_error: of the whole, relative to it.
    """

    weekdays: tuple[float, ...]
    shares: tuple[float, ...]
    zone: ZoneInfo
    error: float
    unit_seconds: int
    known: float
    least_error: float = 0.0

    def hourly(self, hour: int) -> float:
        """Return what the hour that begins then is expected to have."""
        local = local_hour(hour, self.zone)
        return self.weekdays[local.weekday] * self.shares[local.hour]

    def expected(self, start: float, end: float) -> float:
        """Return what is expected between two moments, in epoch seconds."""
        return sum(amount for _, _, amount in self._pieces(start, end))

    def reaches(self, amount: float, start: float, end: float) -> float | None:
        """Return when so much more is expected to be there; None if not by `end`."""
        nothing = amount * _ROUNDING
        for begin, until, more in self._pieces(start, end):
            if more > 0 and amount - more <= nothing:
                return begin + (until - begin) * min(max(amount, 0) / more, 1)
            amount -= more
        return None

    def margin(self, rest: float, seconds: float) -> float:
        """Return how far the rest may be off, four times out of five."""
        n = seconds / self.unit_seconds
        error = self.error * sqrt(n + n * n / self.known)
        return _FOUR_OF_FIVE * max(error, rest * self.least_error)

    def _pieces(self, start: float, end: float) -> Iterator[tuple[float, float, float]]:
        """Yield each hour between, or its part, with what it is expected to have."""
        hour = int(start // HOUR_SECONDS) * HOUR_SECONDS
        while hour < end:
            begin, until = max(start, hour), min(end, hour + HOUR_SECONDS)
            yield begin, until, self.hourly(hour) * (until - begin) / HOUR_SECONDS
            hour += HOUR_SECONDS


def project(
    hourly: Hourly,
    period: tuple[datetime, datetime],
    now: datetime,
    spent: int,
    limit: int | None = None,
    zone: str = "UTC",
) -> Projection:
    """Return what a period will come to, and when it will reach a limit.

    Args:
        hourly: what the subject spent by the hour, as far as it is known; what is
            older than `HISTORY`, or not over yet, is left aside.
        period: its start and end.
        now: a moment; what is over by then is not projected any more.
        spent: in the period so far.
        limit: what is to be reached.
        zone: an IANA name: whose weekdays and hours are alike.

    >>> start = datetime(2026, 11, 1, tzinfo=UTC)
    >>> end, now = start + timedelta(days=30), start + timedelta(days=3)
    >>> project({}, (start, end), now, spent=30, limit=100).expected
    300
    >>> project({}, (start, end), now, spent=30, limit=100).crosses_at.isoformat()
    '2026-11-11T00:00:00+00:00'
    """
    start, end = period
    if now >= end:
        return Projection(spent, spent, spent, None)
    pace = pace_of(hourly, now, zone, start, spent)
    since, until = max(now, start).timestamp(), end.timestamp()
    rest = pace.expected(since, until)
    margin = pace.margin(rest, until - since)
    crosses_at = None
    if limit is not None and spent < limit:
        crosses_at = pace.reaches(limit - spent, since, until)
    return Projection(
        spent + round(max(0.0, rest - margin)),
        spent + round(rest),
        spent + round(rest + margin),
        None if crosses_at is None else datetime.fromtimestamp(crosses_at, UTC),
    )


def pace_of(
    hourly: Hourly, now: datetime, zone: str, start: datetime, spent: int
) -> Pace:
    """Return the pace of a subject, from its history or else from its period so far.

    Args:
        hourly: as for `project`.
        now: history ends with the last full hour before it.
        zone: an IANA name.
        start: where the period begins.
        spent: in the period so far.
    """
    local = ZoneInfo(zone)
    first = int((now - HISTORY).timestamp())
    last = int(now.timestamp()) // HOUR_SECONDS * HOUR_SECONDS
    known = {hour: n for hour, n in hourly.items() if first <= hour < last}
    days = _whole_days(known, now, local)
    if len(days) < _ENOUGH_DAYS:
        return _pace_of_period(known, now, local, start, spent)
    return _pace_of_weeks(known, days, local)


def _whole_days(known: Hourly, now: datetime, zone: ZoneInfo) -> list[tuple[int, int]]:
    """Return the weekday and the amount of each full day known, the newest first."""
    by_day = Counter[int]()
    for hour, amount in known.items():
        by_day[local_hour(hour, zone).day] += amount
    if not by_day:
        return []
    today = now.astimezone(zone).toordinal()
    # The first one may not be whole.
    each = range(today - 1, min(by_day), -1)
    return [(date.fromordinal(day).weekday(), by_day[day]) for day in each]


def _pace_of_weeks(known: Hourly, days: list[tuple[int, int]], zone: ZoneInfo) -> Pace:
    levels = tuple(
        _level([amount for name, amount in days if name == weekday])
        for weekday in range(7)
    )
    errors = [abs(amount - levels[weekday]) for weekday, amount in days]
    shares, error = _shares(known, zone), _MEAN_TO_SIGMA * fmean(errors)
    return Pace(levels, shares, zone, error, _DAY_SECONDS, len(days))


def _level(amounts: list[int]) -> float:
    """Return what a weekday is expected to have, from its amounts, the newest first.

    >>> _level([10, 10, 1000, 10, 10])
    10.0
    """
    weighed = [(amount, _FADES_BY**age) for age, amount in enumerate(amounts)]
    if len(weighed) >= _TRIMMED_FROM:
        weighed = sorted(weighed)[1:-1]
    total = sum(weight for _, weight in weighed)
    level = sum(amount * weight for amount, weight in weighed) / total
    return max(level, 0.0)  # corrections of what was spent before are no pace


def _shares(known: Hourly, zone: ZoneInfo) -> tuple[float, ...]:
    sums = [0] * _HOURS
    for hour, amount in known.items():
        sums[local_hour(hour, zone).hour] += max(amount, 0)
    total = sum(sums)
    if not total:
        return (1 / _HOURS,) * _HOURS
    return tuple(amount / total for amount in sums)


def _pace_of_period(
    known: Hourly, now: datetime, zone: ZoneInfo, start: datetime, spent: int
) -> Pace:
    seconds = max((now - start).total_seconds(), 1.0)
    hours = max(seconds / HOUR_SECONDS, 1.0)
    rate = max(spent, 0) * HOUR_SECONDS / seconds
    first = int(start.timestamp())
    within = [amount for hour, amount in known.items() if hour >= first]
    silent = max(int(hours) - len(within), 0)
    off = sum(abs(amount - rate) for amount in within) + silent * rate
    error = _MEAN_TO_SIGMA * off / max(len(within) + silent, 1)
    flat = (1 / _HOURS,) * _HOURS
    week = (rate * _HOURS,) * 7
    return Pace(week, flat, zone, error, HOUR_SECONDS, hours, 1 / sqrt(hours))
