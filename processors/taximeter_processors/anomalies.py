"""Which hours are far from a subject's own history: pure, whatever the history is from.

An hour is compared with the same hour of the week, and the ones before and after it,
in the last eight weeks: the hour of UTC, so that a change of clocks shifts it by one,
which the neighbours make up for. With `m` their median and `d` their median distance
from it, usual is up to `m + sensitivity · max(1.4826 · d, m / 4)`: 1.4826 · d is the
standard deviation of normal errors (Rousseeuw and Croux 1993), and half of all hours
may be wild without moving it. Whoever is always the same may still be a quarter of it
off, times the sensitivity. What is below the minimum is never an anomaly.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from statistics import median
from typing import Final, NamedTuple

from taximeter_processors.forecast import HISTORY, HOUR_SECONDS, Hourly
from taximeter_schemas.money import pico_from_usd
from taximeter_schemas.subjects import ALWAYS_COUNTED, SubjectKind

__all__ = ["AnomalyRules", "Usual", "usual_at"]

_WEEK_SECONDS: Final = 7 * 86_400
_WEEKS: Final = HISTORY // timedelta(weeks=1)
_NEIGHBOURS: Final = (-HOUR_SECONDS, 0, HOUR_SECONDS)
_TO_SIGMA: Final = 1.4826
_LEAST_SHARE: Final = 0.25


@dataclass(frozen=True)
class AnomalyRules:
    """What is an anomaly.

    Attributes:
        kinds: of which subjects; none turns it off.
        minimum_usd: an hour below it is never one.
        sensitivity: how many standard deviations above the median are still usual.
        warm_up: how old a subject's history is before anything of it is one.
    """

    kinds: tuple[SubjectKind, ...] = ALWAYS_COUNTED
    minimum_usd: Decimal = Decimal(10)
    sensitivity: float = 6.0
    warm_up: timedelta = timedelta(days=14)

    @property
    def minimum_pico(self) -> int:
        """The minimum in pico-dollars."""
        return pico_from_usd(self.minimum_usd)


class Usual(NamedTuple):
    """What an hour usually costs, and how much it may; in pico-dollars."""

    median: int
    most: int


def usual_at(hourly: Hourly, hour: int, rules: AnomalyRules) -> Usual | None:
    """Return what is usual in an hour; None while the subject warms up.

    Args:
        hourly: what the subject spent by the hour; what it lacks is nothing.
        hour: the hour's start in epoch seconds.
        rules: what is an anomaly.

    >>> steady = {hour * 3600: 50 * 10**12 for hour in range(24 * 21)}
    >>> usual_at(steady, 24 * 21 * 3600, AnomalyRules())
    Usual(median=50000000000000, most=125000000000000)
    >>> usual_at(steady, 24 * 13 * 3600, AnomalyRules()) is None
    True
    """
    known = [past for past, amount in hourly.items() if past < hour and amount]
    first = min(known, default=hour)
    if hour - first < rules.warm_up.total_seconds():
        return None
    amounts = [
        hourly.get(past, 0)
        for week in range(1, _WEEKS + 1)
        for past in (hour - week * _WEEK_SECONDS + by for by in _NEIGHBOURS)
        if past >= first
    ]
    middle = median(amounts)
    distance = median(abs(amount - middle) for amount in amounts)
    room = rules.sensitivity * max(_TO_SIGMA * distance, _LEAST_SHARE * middle)
    return Usual(round(middle), max(round(middle + room), rules.minimum_pico))
