"""What the agents share: owning partitions, applying in order, flushing, acknowledging.

Each partition that an agent works on is a `PartitionWork` with its own table, whose
last transaction says which record is next. Faust says when there is something new;
it can hand out a record from before a rebalance, or leave some out after a seek, so
what it delivers is a hint, and the offset decides.

    1. decide by offset      smaller: it is in already. Larger: the records in
                             between are read from the log first
    2. apply in memory       a crash forgets it: it is read again
    3. write, one transaction with the progress in it: all or nothing
    4. acknowledge           a crash before it: delivered again, in already

Whatever goes wrong in 3. ends in one way: the partition is dropped whole and opened
anew, from what its last transaction left, wherever Faust's own offsets stand. While 3.
waits for Kafka, 2. goes on with what comes after; that belongs to the next flush.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Protocol, cast

import faust
from faust.types import TP, EventT

from taximeter_processors.kafka import TRANSIENT, Fenced, LogRecord, read_log
from taximeter_processors.transport import BatchMessage, CommittedConsumer
from taximeter_schemas.fault_points import reached
from taximeter_schemas.lost_connections import lost_is_an_error

__all__ = ["OpenPartition", "PartitionWork", "Partitions"]

log = logging.getLogger(__name__)

# More than the ledger keeps together (20,480 rows): a sink stores whole groups cheaper.
_FLUSH_AT_EVENTS = 25_000
# What a row costs by the time that it is summed up, stored, and in the ledger, about;
# and the share of the time that this may take.
_ROW_SECONDS = 40e-6
_SHARE_OF_TIME = 0.1
_LEAST_PAUSE = 0.05
_FEW_EVENTS = 100
_LONGEST_PAUSE = 3.0
# A part of the partitions after the other: whoever reads what they write then has
# something to do all the time.
_TURNS = 4
_IDLE_SECONDS = 0.1
_REOPEN_AFTER_SECONDS = 1.0


class PartitionWork(Protocol):
    """What an agent does with one partition.

    `Partitions` calls `apply` with each record once and in order, `flush` when it is
    due, and `close` when the partition is not ours any more or something failed.
    """

    @property
    def next_offset(self) -> int:
        """The offset of the next record to apply."""
        ...

    def pass_to(self, offset: int) -> None:
        """Take note that nothing more stands before this offset."""
        ...

    @property
    def unflushed_events(self) -> int:
        """How many events were applied since the last flush."""
        ...

    @property
    def has_moved(self) -> bool:
        """Tell whether there is anything to flush."""
        ...

    @property
    def is_awaited(self) -> bool:
        """Tell whether somebody waits for what the next flush says."""
        ...

    def apply(self, record: LogRecord) -> None:
        """Apply one record in memory; must not raise for bad input."""
        ...

    async def flush(self) -> int:
        """Write what was applied when it is called; return how many rows that were.

        All of it is in one transaction; raise if that did not happen. Records that
        are applied meanwhile are for the next one.
        """
        ...

    async def close(self) -> None:
        """Let go; what was not flushed is forgotten."""
        ...


OpenPartition = Callable[[int], Awaitable[PartitionWork]]


class _Open:
    """One partition in work, with the records that wait for their flush."""

    def __init__(self, work: PartitionWork) -> None:
        self.work = work
        self.applied: list[EventT[bytes]] = []
        self.flushed_at = monotonic()
        self._flushing = asyncio.Lock()

    async def flush(self) -> int:
        """Write what was applied by now, then acknowledge it; return how many rows."""
        async with self._flushing:
            if not self.work.has_moved:
                return 0
            applied, self.applied = self.applied, []
            rows = await self.work.flush()
            for event in applied:
                event.ack()
            return rows

    async def close(self) -> None:
        """Let the partition go, once nothing is being written any more."""
        async with self._flushing:
            await self.work.close()


class Partitions:
    """The partitions of one topic that this worker owns.

    Args:
        app: the Faust app, for where its consumer stands.
        bootstrap: Kafka's address.
        topic: the topic's name.
        open_partition: opens the work on one partition, from its committed state.
        agent: the agent's name, for the fault points.
        flush_seconds: how long applied records may wait for a flush when there is
            little to do; flushing takes a tenth of the time at most, so it gets
            rarer under load. What is left when nothing more comes is flushed at once.
        on_flush: called when a partition was opened, and after each flush.
    """

    def __init__(
        self,
        app: faust.App,
        bootstrap: str,
        topic: str,
        open_partition: OpenPartition,
        agent: str,
        flush_seconds: float,
        on_flush: Callable[[], None] = lambda: None,
    ) -> None:
        self._app = app
        self._bootstrap = bootstrap
        self._topic = topic
        self._open_partition = open_partition
        self._agent = agent
        self._flush_seconds = flush_seconds
        self._on_flush = on_flush
        self._open: dict[int, _Open] = {}
        self._opening: dict[int, asyncio.Task[None]] = {}
        self._open_at: dict[int, float] = {}
        self._rest_until = 0.0
        self._applied_at = 0.0
        self._lock = asyncio.Lock()
        self._awaited = asyncio.Event()

    async def take(self, event: EventT[bytes]) -> None:
        """Take the next records that Faust delivers."""
        opening = self._opening.get(event.message.partition)
        if opening is not None:
            # Else Faust would go on delivering, and all of it had to be read again.
            await asyncio.wait({opening})
        async with self._lock:
            opened = self._open.get(event.message.partition)
            if opened is None:
                return  # whoever opens the partition reads what came before
            try:
                await self._apply(opened, event)
            except BaseException:
                # Half applied: the flush at the end of the process must not see it.
                await self._drop(event.message.partition)
                raise
        if opened.work.unflushed_events >= _FLUSH_AT_EVENTS:
            await self._flush_one(event.message.partition, opened)

    async def tick(self) -> None:
        """Flush what is due, open what is not open yet; called all the time."""
        self._open_due()
        now = monotonic()
        while due := self._due(now):
            await self._flush(due)

    async def hurry(self) -> None:
        """Wait until somebody waits for a flush, and make it; called all the time.

        What is asked meanwhile is answered together by the next one.
        """
        await self._awaited.wait()
        self._awaited.clear()
        await self._flush([p for p, at in self._open.items() if at.work.is_awaited])

    async def own(self, partitions: set[int]) -> None:
        """Take note of a rebalance: these partitions are ours now, and no others.

        What is in work, or being opened, and stays ours goes on: had it been another
        worker's in between, that one's writer would have fenced ours. The opening of
        what is lost ends at once: it takes seconds, and a worker that is late for a
        rebalance makes the next one.
        """
        await self._end_openings(set(self._opening) - partitions)
        async with self._lock:
            await self._drop_all(set(self._open) - partitions)
            opening = {p for p, task in self._opening.items() if not task.done()}
            due = partitions - set(self._open) - opening
            self._open_at = dict.fromkeys(due, 0.0)

    async def close(self) -> None:
        """Flush once more and let everything go."""
        self._open_at.clear()
        await self._end_openings(set(self._opening))
        await self._flush(list(self._open))
        async with self._lock:
            await self._drop_all(set(self._open))

    def works(self) -> dict[int, PartitionWork]:
        """Return what is in work now, by partition."""
        return {partition: opened.work for partition, opened in self._open.items()}

    @property
    def _consumer(self) -> CommittedConsumer:
        return cast(CommittedConsumer, self._app.consumer)

    def _due(self, now: float) -> list[int]:
        """Return which partitions are to be flushed together now."""
        moved = sorted(
            (opened.flushed_at, partition)
            for partition, opened in self._open.items()
            if opened.work.has_moved and now >= opened.flushed_at + self._flush_seconds
        )
        if now >= self._applied_at + _IDLE_SECONDS:
            return [partition for _, partition in moved]
        if now + _LEAST_PAUSE < self._rest_until:
            return [p for at, p in moved if now >= at + _LONGEST_PAUSE or self._few(p)]
        return [partition for _, partition in moved[: -(-len(self._open) // _TURNS)]]

    def _few(self, partition: int) -> bool:
        """Whether a flush has hardly any rows: what they cost need not be saved up."""
        return self._open[partition].work.unflushed_events < _FEW_EVENTS

    async def _apply(self, opened: _Open, event: EventT[bytes]) -> None:
        message, work = cast(BatchMessage, event.message), opened.work
        if message.offset < work.next_offset:
            return  # all of it is in already
        first = message.records[0].offset
        if first > work.next_offset:
            await self._read_up_to(work, message.partition, first)
        for record in message.records:
            if record.offset >= work.next_offset:
                work.apply(record)
        self._applied_at = monotonic()
        if work.is_awaited:
            self._awaited.set()
        message.incref()  # held until the flush
        opened.applied.append(event)

    async def _read_up_to(self, work: PartitionWork, partition: int, end: int) -> None:
        start = work.next_offset
        log.info("%s/%d: reading %d to %d", self._topic, partition, start, end)
        async for records in read_log(
            self._bootstrap, self._topic, partition, start, end
        ):
            for record in records:
                work.apply(record)
        work.pass_to(end)

    def _open_due(self) -> None:
        for partition, opening in list(self._opening.items()):
            if opening.done():
                del self._opening[partition]
                opening.result()  # an error that is not Kafka's ends the worker
        if self._app.rebalancing:
            return
        now = monotonic()
        for partition in [p for p, at in self._open_at.items() if at <= now]:
            del self._open_at[partition]
            opening = asyncio.create_task(self._open_one(partition))
            self._opening[partition] = opening

    async def _end_openings(self, partitions: set[int]) -> None:
        openings = [self._opening.pop(partition) for partition in partitions]
        for opening in openings:
            opening.cancel()
        await asyncio.gather(*openings, return_exceptions=True)

    async def _open_one(self, partition: int) -> None:
        try:
            # It shuts out whoever writes for the partition: that must be its owner's
            # doing. We, who were not heard of for too long, find out here that we are
            # not any more; else two would go on shutting each other out.
            with lost_is_an_error():
                if not await self._consumer.is_member():
                    self._open_at[partition] = monotonic() + _REOPEN_AFTER_SECONDS
                    return
                work = await self._opened(partition)
        except TRANSIENT as error:
            self._failed(partition, "opening", error)
            return
        self._open[partition] = _Open(work)
        self._on_flush()

    async def _opened(self, partition: int) -> PartitionWork:
        work = await self._open_partition(partition)
        try:
            reached(self._agent, "opened")
            await self._catch_up(work, partition)
        except BaseException:
            await work.close()
            raise
        return work

    async def _catch_up(self, work: PartitionWork, partition: int) -> None:
        # What Faust has fetched so far was delivered while nobody could take it, or
        # acknowledged by an earlier owner that never wrote it down.
        position = await self._consumer.position(TP(self._topic, partition))
        if position is not None and position > work.next_offset:
            await self._read_up_to(work, partition, position)

    async def _flush(self, partitions: list[int]) -> None:
        flushes = (self._flush_one(p, self._open[p]) for p in partitions)
        await asyncio.gather(*flushes)

    async def _flush_one(self, partition: int, opened: _Open) -> None:
        try:
            with lost_is_an_error():
                rows = await opened.flush()
        except TRANSIENT as error:
            async with self._lock:
                if self._open.get(partition) is opened:
                    await self._drop(partition)
                    self._failed(partition, "flushing", error)
            return
        opened.flushed_at = now = monotonic()
        rest = max(self._rest_until, now) + rows * _ROW_SECONDS / _SHARE_OF_TIME
        self._rest_until = min(rest, now + _LONGEST_PAUSE)
        if rows:
            reached(self._agent, "acknowledged")
            self._on_flush()

    async def _drop_all(self, partitions: set[int]) -> None:
        # At once: a writer whose broker has just come back takes its time to end.
        await asyncio.gather(*map(self._drop, partitions))

    async def _drop(self, partition: int) -> None:
        await self._open.pop(partition).close()

    def _failed(self, partition: int, doing: str, error: Exception) -> None:
        # Whoever fenced us may have had the partition in between only. If it is not
        # ours any more, opening it finds that out.
        pause = 0.0 if isinstance(error, Fenced) else _REOPEN_AFTER_SECONDS
        self._open_at[partition] = monotonic() + pause
        place = f"{self._topic}/{partition}"
        log.warning("%s: %s failed, opening it anew: %r", place, doing, error)
