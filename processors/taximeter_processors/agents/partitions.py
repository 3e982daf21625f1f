"""What the agents share: owning partitions, applying in order, flushing, acknowledging.

Each partition that an agent works on is a `PartitionWork` with its own table. A
flush writes everything that follows from the applied records, and how far they
went, in one transaction; only then are the source records acknowledged to Faust.

    1. decide by offset      out of order: skip, or seek back      nothing is lost
    2. apply in memory       a crash forgets it                    read again
    3. write, one transaction with the progress in it              all or nothing
    4. acknowledge           a crash before it                     delivered again,
                                                                   and skipped at 1.

Whatever goes wrong in 3. ends in one way: the partition is dropped whole and opened
anew, from what its last transaction left, wherever Faust's own offsets stand.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, Protocol

import faust
from faust.types import TP, EventT

from taximeter_processors.kafka import Fenced
from taximeter_processors.order import NextInOrder, Verdict

__all__ = ["OpenPartition", "PartitionWork", "Partitions"]

log = logging.getLogger(__name__)

_FLUSH_AT_EVENTS = 20_000
_SHARE_OF_TIME = 0.1
_LONGEST_PAUSE = 1.0
_REOPEN_AFTER_SECONDS = 1.0
_REOPEN_AFTER_FENCED_SECONDS = 5.0


class PartitionWork(Protocol):
    """What an agent does with one partition.

    `Partitions` calls `apply` with each record once and in order, `flush` when it is
    due, and `close` when the partition is not ours any more or something failed.
    """

    @property
    def next_offset(self) -> int:
        """The offset of the next record to apply."""
        ...

    @property
    def unflushed_events(self) -> int:
        """How many events were applied since the last flush."""
        ...

    @property
    def has_moved(self) -> bool:
        """Tell whether there is anything to flush."""
        ...

    def apply(self, event: EventT[bytes]) -> None:
        """Apply one record in memory; must not raise for bad input."""
        ...

    async def flush(self) -> None:
        """Write what was applied, in one transaction; raise if it did not happen."""
        ...

    async def close(self) -> None:
        """Let go; what was not flushed is forgotten."""
        ...


OpenPartition = Callable[[int], Awaitable[PartitionWork]]


class _Open:
    """One partition in work, with the records that wait for their flush."""

    def __init__(self, work: PartitionWork) -> None:
        self.work = work
        self.order = NextInOrder(work.next_offset)
        self.applied: list[EventT[bytes]] = []

    def acknowledge(self) -> None:
        for event in self.applied:
            event.ack()
        self.applied.clear()


class Partitions:
    """The partitions of one topic that this worker owns.

    Args:
        app: the Faust app, for seeking and for what it is assigned.
        topic: the topic's name.
        open_partition: opens the work on one partition, from its committed state.
        flush_seconds: how long applied records may wait for a flush when there is
            little to do; flushing takes a tenth of the time at most, so it gets
            rarer under load.
        on_flush: told after each flush: partition, events, the work.
    """

    def __init__(
        self,
        app: faust.App,
        topic: str,
        open_partition: OpenPartition,
        flush_seconds: float,
        on_flush: Callable[[int, int, PartitionWork], None] = lambda *_: None,
    ) -> None:
        self._app = app
        self._topic = topic
        self._open_partition = open_partition
        self._flush_seconds = flush_seconds
        self._on_flush = on_flush
        self._open: dict[int, _Open] = {}
        self._reopen_at: dict[int, float] = {}
        self._next_flush_at = 0.0
        self._lock = asyncio.Lock()

    async def take(self, event: EventT[bytes]) -> None:
        """Take the next record that Faust delivers."""
        async with self._lock:
            if self._is_stale(event):
                event.message.incref()  # never acknowledged: it is delivered again
                return
            partition = event.message.partition
            if not await self._ensure_open(partition):
                event.message.incref()
                return
            await self._decide(self._open[partition], event)
            if self._open[partition].work.unflushed_events >= _FLUSH_AT_EVENTS:
                await self._flush([partition])

    async def tick(self) -> None:
        """Flush what is due, and open anew what had failed; called all the time."""
        async with self._lock:
            await self._reopen()
            if monotonic() >= self._next_flush_at:
                await self._flush(list(self._open))

    async def keep_only(self, partitions: set[int]) -> None:
        """Drop, whole, the partitions that are not ours after a rebalance."""
        async with self._lock:
            for partition in set(self._open) - partitions:
                await self._drop(partition)
            for partition in set(self._reopen_at) - partitions:
                del self._reopen_at[partition]

    async def close(self) -> None:
        """Flush once more and let everything go."""
        async with self._lock:
            await self._flush(list(self._open))
            for partition in list(self._open):
                await self._drop(partition)

    def works(self) -> dict[int, PartitionWork]:
        """Return what is in work now, by partition."""
        return {partition: opened.work for partition, opened in self._open.items()}

    def _is_stale(self, event: EventT[bytes]) -> bool:
        generation: Any = event.message.generation_id
        return bool(generation != self._app.consumer_generation_id)

    async def _ensure_open(self, partition: int) -> bool:
        if partition in self._open:
            return True
        if monotonic() < self._reopen_at.get(partition, 0.0):
            return False
        try:
            work = await self._open_partition(partition)
        except Exception as error:
            self._failed(partition, "opening", error)
            return False
        self._reopen_at.pop(partition, None)
        self._open[partition] = _Open(work)
        return True

    async def _decide(self, opened: _Open, event: EventT[bytes]) -> None:
        message = event.message
        match opened.order.decide(message.offset):
            case Verdict.APPLY:
                message.incref()
                opened.work.apply(event)
                opened.applied.append(event)
            case Verdict.SKIP:
                pass  # Faust acknowledges it when the stream moves on
            case Verdict.SEEK_BACK:
                message.incref()
                await self._seek(message.partition, opened.order.expected)
            case Verdict.STRAY:
                message.incref()

    async def _seek(self, partition: int, offset: int) -> None:
        log.info("%s/%d: reading again from %d", self._topic, partition, offset)
        await self._app.consumer.seek(TP(self._topic, partition), offset)

    async def _reopen(self) -> None:
        now = monotonic()
        for partition in [p for p, at in self._reopen_at.items() if at <= now]:
            if await self._ensure_open(partition):
                expected = self._open[partition].order.expected
                await self._seek(partition, expected)

    async def _flush(self, partitions: list[int]) -> None:
        started = monotonic()
        moved = [p for p in partitions if self._open[p].work.has_moved]
        await asyncio.gather(*(self._flush_one(p) for p in moved))
        took = monotonic() - started
        pause = max(self._flush_seconds, min(took / _SHARE_OF_TIME, _LONGEST_PAUSE))
        self._next_flush_at = monotonic() + pause

    async def _flush_one(self, partition: int) -> None:
        opened = self._open[partition]
        events = opened.work.unflushed_events
        try:
            await opened.work.flush()
        except Exception as error:
            await self._drop(partition)
            self._failed(partition, "flushing", error)
            return
        opened.acknowledge()
        self._on_flush(partition, events, opened.work)

    async def _drop(self, partition: int) -> None:
        await self._open.pop(partition).work.close()

    def _failed(self, partition: int, doing: str, error: Exception) -> None:
        fenced = isinstance(error, Fenced)
        pause = _REOPEN_AFTER_FENCED_SECONDS if fenced else _REOPEN_AFTER_SECONDS
        self._reopen_at[partition] = monotonic() + pause
        place = f"{self._topic}/{partition}"
        log.warning("%s: %s failed, opening it anew: %r", place, doing, error)
