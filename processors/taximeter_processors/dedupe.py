"""Which event ids one partition of `usage` has seen: the first one counts.

Pure. Ids are kept in *generations* by the time that the broker stamped on their
records, and a generation is forgotten whole when it has left the horizon. What was
remembered since the last flush is written down with it, sixteen bytes an id, so that
whoever takes the partition over has the very same memory at once: reading the ids out
of the log again would take ten times as long, and keep every take-over waiting.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

__all__ = ["DEFAULT_HORIZON", "IDS_PREFIX", "SeenIds"]

DEFAULT_HORIZON = timedelta(hours=24)

IDS_PREFIX: Final = b"ids:"
"""What the keys of the rows that hold ids begin with."""

_GENERATIONS = 4
_ID_BYTES: Final = 16
_IDS_A_ROW: Final = 20_000


class _Generation:
    """Ids that are forgotten together, and the rows that hold them.

    `number` is the start of a stretch of time, in epoch seconds, so that it means the
    same after the horizon was set anew.
    """

    __slots__ = ("ids", "keys", "number", "unwritten")

    def __init__(self, number: int) -> None:
        self.number = number
        self.ids: set[int] = set()
        self.unwritten: list[int] = []
        self.keys: list[bytes] = []


class SeenIds:
    """The ids of the last `horizon` of event flow, about 90 bytes each.

    Args:
        horizon: how long an id is remembered at least.
    """

    def __init__(self, horizon: timedelta = DEFAULT_HORIZON) -> None:
        self._seconds = max(1, int(horizon.total_seconds()) // _GENERATIONS)
        self._generations: list[_Generation] = []
        self._unwanted: list[bytes] = []

    def __len__(self) -> int:
        return sum(len(generation.ids) for generation in self._generations)

    def restore(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """Put back what an earlier owner had written down; called first of all.

        Args:
            rows: as `changed` returned them, but for those that are gone.
        """
        held: dict[int, _Generation] = {}
        for key, value in rows:
            number = int(key.split(b":")[1])
            generation = held.setdefault(number, _Generation(number))
            generation.ids.update(_ids_in(value))
            generation.keys.append(key)
        self._generations = [held[number] for number in sorted(held)]

    def advance(self, recorded_at: datetime) -> None:
        """Take note that the next record was stamped at this moment.

        The broker's clock may step back; generations never do.
        """
        number = int(recorded_at.timestamp()) // self._seconds * self._seconds
        generations = self._generations
        if generations and number <= generations[-1].number:
            return
        generations.append(_Generation(number))
        while generations[0].number < number - _GENERATIONS * self._seconds:
            self._unwanted += generations.pop(0).keys

    def all_new(self, ids: Sequence[int]) -> bool:
        """Remember the ids of one record if all are new; else change nothing.

        Nearly all records hold no duplicate, and a set finds that out for a hundred
        ids in the time that a loop takes for two.
        """
        fresh = set(ids)
        if len(fresh) < len(ids):
            return False
        for generation in self._generations:
            if not fresh.isdisjoint(generation.ids):
                return False
        latest = self._generations[-1]
        latest.ids |= fresh
        latest.unwritten += ids
        return True

    def first_time(self, event_id: UUID) -> bool:
        """Remember an id; tell whether it was new within the horizon.

        A duplicate is remembered anew: whoever keeps sending an id keeps it known.
        """
        key = event_id.int
        latest = self._generations[-1]
        if key in latest.ids:
            return False
        known = any(key in generation.ids for generation in self._generations)
        latest.ids.add(key)
        latest.unwritten.append(key)
        return not known

    def changed(self, offset: int) -> Iterator[tuple[bytes, bytes | None]]:
        """Yield the rows to be written down since the last time; None: it is gone.

        Args:
            offset: behind the last record that is in; tells these rows from others.
        """
        for key in self._unwanted:
            yield key, None
        self._unwanted = []
        for generation in self._generations:
            ids, generation.unwritten = generation.unwritten, []
            for start in range(0, len(ids), _IDS_A_ROW):
                key = b"%b%d:%d:%d" % (IDS_PREFIX, generation.number, offset, start)
                generation.keys.append(key)
                yield key, _packed(ids[start : start + _IDS_A_ROW])


def _packed(ids: Iterable[int]) -> bytes:
    return b"".join([key.to_bytes(_ID_BYTES) for key in ids])


def _ids_in(packed: bytes) -> Iterator[int]:
    return (
        int.from_bytes(packed[start : start + _ID_BYTES])
        for start in range(0, len(packed), _ID_BYTES)
    )
