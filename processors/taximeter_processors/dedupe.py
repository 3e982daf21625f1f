"""Which event ids one partition of `usage` has seen: the first one counts.

Pure. The memory is a function of the log alone: ids are kept in *generations* by
the time that the broker stamped on their records, and a generation is forgotten
whole when it has left the horizon. Where each generation began in the log is part
of the partition's progress, so whoever takes the partition over can read the same
stretches again and ends up with the very same memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

__all__ = ["DEFAULT_HORIZON", "Generation", "SeenIds"]

DEFAULT_HORIZON = timedelta(hours=24)
_GENERATIONS = 4


class Generation(NamedTuple):
    """A stretch of the log whose ids are forgotten together.

    `number` is the start of its stretch of time, in epoch seconds, so that it means
    the same after the horizon was set anew.
    """

    number: int
    start_offset: int


class SeenIds:
    """The ids of the last `horizon` of event flow, about 90 bytes each.

    Args:
        horizon: how long an id is remembered at least.
        generations: those of an earlier owner, oldest first, still without ids.
    """

    def __init__(
        self,
        horizon: timedelta = DEFAULT_HORIZON,
        generations: list[Generation] | None = None,
    ) -> None:
        self._seconds = max(1, int(horizon.total_seconds()) // _GENERATIONS)
        self._generations = list(generations or [])
        self._ids: list[set[int]] = [set() for _ in self._generations]

    @property
    def generations(self) -> list[Generation]:
        """Where in the log each remembered generation began, oldest first."""
        return list(self._generations)

    def __len__(self) -> int:
        return sum(map(len, self._ids))

    def advance(self, offset: int, recorded_at: datetime) -> None:
        """Take note that the record at this offset is the next one to be read.

        The broker's clock may step back; generations never do.
        """
        number = int(recorded_at.timestamp()) // self._seconds * self._seconds
        if self._generations and number <= self._generations[-1].number:
            return
        self._generations.append(Generation(number, offset))
        self._ids.append(set())
        while self._generations[0].number < number - _GENERATIONS * self._seconds:
            del self._generations[0], self._ids[0]

    def all_new(self, ids: Sequence[int]) -> bool:
        """Remember the ids of one record if all are new; else change nothing.

        Nearly all records hold no duplicate, and a set finds that out for a hundred
        ids in the time that a loop takes for two.
        """
        fresh = set(ids)
        if len(fresh) < len(ids) or not all(map(fresh.isdisjoint, self._ids)):
            return False
        self._ids[-1].update(fresh)
        return True

    def first_time(self, event_id: UUID) -> bool:
        """Remember an id; tell whether it was new within the horizon.

        A duplicate is remembered anew. Otherwise an id's memory would end with the
        generation of its first sight, which an owner who reads only what is left of
        the log cannot know.
        """
        key = event_id.int
        known = any(key in ids for ids in self._ids)
        self._ids[-1].add(key)
        return not known

    def remember(self, ids: Iterable[int], offset: int) -> None:
        """Put back ids that an earlier owner saw at this offset."""
        index = len(self._generations) - 1
        while index > 0 and self._generations[index].start_offset > offset:
            index -= 1
        self._ids[index].update(ids)
