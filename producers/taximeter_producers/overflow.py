"""Moves what waits too long in memory to the disk, where it survives the process.

It decides by what moves, not by what Kafka says of itself: an address that does not
answer, a broker that has stopped acknowledging, and a backlog that goes first are
all the same to somebody whose process is killed. All of it runs in the loop of the
thread that sends.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Final

from taximeter_producers.buffer import Buffer, Item
from taximeter_producers.emitter import Rarely
from taximeter_producers.packing import Delivery, EncodedEvent, Record
from taximeter_producers.spool.backlog import Batch
from taximeter_producers.spool.spool import Spool
from taximeter_schemas.usage import EmittedEvent

__all__ = ["Overflow", "Stall", "from_disk"]

log = logging.getLogger(__name__)

_SHARE: Final = 0.5
_STRETCH: Final = 500
_EVERYTHING: Final = 2**31


@dataclass
class Stall:
    """For how long something has been waiting without any of it moving.

    >>> stall = Stall()
    >>> [stall.seconds(True, 7, now) for now in (10.0, 10.5, 12.0)]
    [0.0, 0.5, 2.0]
    >>> stall.seconds(True, 8, 12.5), stall.seconds(False, 8, 99.0)
    (0.0, 0.0)
    """

    moved: int = -1
    since: float = 0.0

    def seconds(self, waiting: bool, moved: int, now: float) -> float:
        """Return the seconds until `now`, given how much has moved in all."""
        if not waiting or moved != self.moved:
            self.moved, self.since = moved, now
        return now - self.since


class Overflow:
    """Takes from memory what the spool can hold instead.

    Args:
        buffer: where events wait that have not been packed.
        spool: where they go.
        patience_seconds: how long an event may wait in memory.
    """

    def __init__(self, buffer: Buffer, spool: Spool, patience_seconds: float) -> None:
        self._buffer = buffer
        self.spool = spool
        self._patience_seconds = patience_seconds
        self._untaken = Stall()
        self._unanswered = Stall()
        self._rarely = Rarely()

    def tend(self) -> None:
        """Look after the files; what dead processes left is ours to send from now."""
        found = self.spool.tend()
        if found:
            self._buffer.count_stored(found)

    def due(self, under_way: bool, answers: int, now: float) -> tuple[bool, bool]:
        """Tell whether records under way, and events in the buffer, have to move.

        Args:
            under_way: whether there are records that Kafka has not acknowledged.
            answers: how many records it has acknowledged so far.
            now: seconds of a clock that never goes back.
        """
        buffer, patience = self._buffer, self._patience_seconds
        silent = self._unanswered.seconds(under_way, answers, now) > patience
        untaken = self._untaken.seconds(buffer.waiting > 0, buffer.taken, now)
        crowded = buffer.held > buffer.limit * _SHARE
        return silent, silent or crowded or untaken > patience

    def move_records(self, records: Iterable[Record]) -> list[Record]:
        """Store records that nobody waits for; return those that are stored whole.

        Whoever flushes waits for them on disk from now on.
        """
        touched = [
            record
            for record in records
            if not any(delivery.events for delivery in record.waiting)
            and self._store_record(record)
        ]
        self._wait_on([delivery for record in touched for delivery in record.waiting])
        moved = [record for record in touched if not record.encoded]
        for record in moved:
            record.release()
        return moved

    async def move_events(self) -> None:
        """Store the events that have not been packed, oldest first.

        What somebody waits for in person, a delivery, stays in memory.
        """
        kept: list[Item] = []
        try:
            while items := self._buffer.take(_STRETCH):
                kept += self._store_events(items)
                if self._buffer.full != "buffer_full":
                    break
                await asyncio.sleep(0)
        finally:
            self._buffer.put_back(kept)

    def move_rest(self, encoded: list[bytes]) -> int:
        """Store what is left at the end; return how many events are lost all the same.

        Args:
            encoded: what the thread that sends had taken already. It has ended.
        """
        for item in self._buffer.take(_EVERYTHING):
            events = item.events if isinstance(item, Delivery) else (item,)
            encoded += [as_json for each in events if (as_json := self.encoded(each))]
        return len(encoded) - self.store(encoded)

    def encoded(self, event: EmittedEvent | EncodedEvent) -> bytes | None:
        """Return an event as it is stored; None for one that is lost by that."""
        try:
            return EncodedEvent.of(event).value
        except Exception:
            # Only an event that was built around its own validation comes here.
            self._buffer.settle(lost=1)
            log.exception("usage event lost: it cannot be encoded")
            return None

    def store(self, encoded: Sequence[bytes]) -> int:
        """Store events out of memory; return how many, from the first, are stored."""
        stored = 0
        for at in range(0, len(encoded), _STRETCH):
            write = self.spool.put(encoded[at : at + _STRETCH])
            stored += write.stored
            self._buffer.settle(on_disk=write.stored)
            self._buffer.full = write.reason or "buffer_full"
            if write.reason:
                break
        if stored and self._rarely.now():
            log.warning("usage events go to disk until Kafka takes them")
        return stored

    def _store_events(self, items: Sequence[Item]) -> list[Item]:
        """Store what is no delivery; return what stays in memory, in its order."""
        encoded = {
            place: as_json
            for place, item in enumerate(items)
            if not isinstance(item, Delivery) and (as_json := self.encoded(item))
        }
        no_room = set(list(encoded)[self.store(list(encoded.values())) :])
        return [
            item
            for place, item in enumerate(items)
            if isinstance(item, Delivery) or place in no_room
        ]

    def _store_record(self, record: Record) -> int:
        stored = self.store(record.encoded)
        del record.encoded[:stored]
        return stored

    def _wait_on(self, flushing: list[Delivery]) -> None:
        """Let these wait for what is on disk now as well."""
        if not flushing:
            return
        # A barrier at the front of the buffer: its turn comes behind the disk.
        barrier = Delivery()
        for delivery in flushing:
            delivery.hold()
            barrier.future.add_done_callback(partial(_release, delivery))
        self._buffer.put_back([barrier])


def _release(delivery: Delivery, _: Future[None]) -> None:
    delivery.release()


def from_disk(record: Record) -> bool:
    """Tell whether the events of a record are on disk already."""
    return any(isinstance(delivery, Batch) for delivery in record.waiting)
