"""What a worker has counted since it started, whichever partitions it had meanwhile.

Pure. Counts that only ever grow are what monitoring expects, and those of a partition
begin at nothing each time that it is opened. They are for people, not for money: what
was applied and not flushed when a partition went away is counted by its next owner too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields

from taximeter_processors.meter import MeterCounts

__all__ = ["Tally"]


class Tally:
    """Adds up the counts of meters that come and go.

    >>> tally, first = Tally(), MeterCounts(events=2)
    >>> tally.total([first]).events
    2
    >>> tally.total([MeterCounts(events=5)]).events
    7
    """

    def __init__(self) -> None:
        self._gone = MeterCounts()
        self._open: Sequence[MeterCounts] = ()

    def total(self, counts: Sequence[MeterCounts]) -> MeterCounts:
        """Return all that was counted; `counts` are those of the meters of now."""
        now = {id(each) for each in counts}
        gone = (each for each in self._open if id(each) not in now)
        self._gone = _sum([self._gone, *gone])
        self._open = list(counts)
        return _sum([self._gone, *counts])


def _sum(counts: Iterable[MeterCounts]) -> MeterCounts:
    some = list(counts)
    names = [field.name for field in fields(MeterCounts)]
    return MeterCounts(**{name: sum(getattr(c, name) for c in some) for name in names})
