"""What each part occupies over time, and what counts as flat.

Pure, so that a made-up leak can show what is found and what is not.

**The criterion.** Of each part that is not killed in the last two thirds of a soak the
longest life of one process is taken, and of that its last quarter is held against its
second one. (The first is left out: caches fill, Java warms up, a successor reads back
what it needs.) Of each quarter the lower quartile of the readings counts: what a batch
or a backlog takes for a while comes and goes, what leaks lies under all of it. The
difference, divided by the events that came in between the middles of both quarters,
must be less than 50 bytes an event; of a worker less than 25, since each of two gets
half of the events.

One thing is subtracted: 100 bytes for each id that a worker remembers, or has
remembered at most in its life so far, since what it held for a partition that has moved
on need not go back to the system. Ids are bounded before the measurement: workers
forget them after a quarter of the run. The ledger is on disk.

A process that leaks more than 50 bytes for each event that it handles fails, however
much it occupied before. The same is asked of these parts over the whole run, whatever
process it was: what only a start makes larger each time would be seen there. Parts that
are killed again and again are shown and not judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from statistics import median, quantiles
from typing import Final

__all__ = ["BOUND_BYTES", "Growth", "Occupied", "bound_of", "growth", "longest_life"]

BOUND_BYTES: Final = 50.0
_MIB: Final = 1024 * 1024
_QUARTERS: Final = 4
_ENOUGH: Final = 40
_ID_BYTES: Final = 100


@dataclass(frozen=True)
class Occupied:
    """One reading of one part: when, after how many events, which process, how much.

    `ids` is how many event ids the process remembers.
    """

    seconds: float
    events: int
    pid: int
    mib: float
    ids: int = 0


@dataclass(frozen=True)
class Growth:
    """How a part grew over a stretch of time, beside the ids that it remembers."""

    seconds: float
    events: int
    early_mib: float
    late_mib: float

    @property
    def bytes_an_event(self) -> float:
        """What each event between the two quarters left behind."""
        return (self.late_mib - self.early_mib) * _MIB / max(1, self.events)


def bound_of(part: str) -> float:
    """Return how many bytes an event a part may have grown by.

    >>> bound_of("sink"), bound_of("worker-2")
    (50.0, 25.0)
    """
    return BOUND_BYTES / 2 if part.startswith("worker-") else BOUND_BYTES


def longest_life(readings: Sequence[Occupied]) -> list[Occupied]:
    """Return the readings of the process that lived longest."""
    lives = [list(life) for _, life in groupby(readings, key=lambda each: each.pid)]
    return max(lives, key=lambda life: life[-1].seconds - life[0].seconds)


def growth(readings: Sequence[Occupied]) -> Growth | None:
    """Compare the last quarter of a stretch of time with its second one.

    Returns:
        None if there are too few readings to say anything.
    """
    if len(readings) < _ENOUGH:
        return None
    began, ended = readings[0].seconds, readings[-1].seconds
    besides = _without_ids(readings)
    early = _quarter(besides, began, ended, 1)
    late = _quarter(besides, began, ended, 3)
    return Growth(
        ended - began,
        round(median(o.events for o in late) - median(o.events for o in early)),
        quantiles([o.mib for o in early])[0],
        quantiles([o.mib for o in late])[0],
    )


def _quarter(
    readings: Sequence[Occupied], began: float, ended: float, number: int
) -> list[Occupied]:
    length = (ended - began) / _QUARTERS
    start, end = began + number * length, began + (number + 1) * length
    return [o for o in readings if start <= o.seconds <= end]


def _without_ids(readings: Sequence[Occupied]) -> list[Occupied]:
    """Subtract what the most ids take that each process had held by then."""
    most: dict[int, int] = {}
    besides: list[Occupied] = []
    for each in readings:
        most[each.pid] = max(most.get(each.pid, 0), each.ids)
        mib = each.mib - most[each.pid] * _ID_BYTES / _MIB
        besides.append(replace(each, mib=mib))
    return besides
