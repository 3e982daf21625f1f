"""The thread that sees each accepted event into Kafka; the only place with aiokafka.

It has an event loop of its own, in which it encodes, packs and sends. It owns every
event from the buffer to the acknowledgement:

1. A record stands in the outbox before it is sent, and leaves it when Kafka has
   acknowledged it on all in-sync replicas. Sent first, it would be lost with the
   connection.
2. After any failure the producer is thrown away and everything in the outbox is sent
   again, in its order, by a new one. aiokafka's idempotent producer cannot go on
   after a refused batch: it would leave a gap in the sequence numbers. A record that
   had arrived after all arrives twice; `event_id` makes that harmless.
3. Only a single event that the broker itself finds too large is given up, counted
   as lost and logged.

With a spool, what is on disk goes first, and stays there until Kafka has acknowledged
it; what waits in memory for longer than a moment goes to disk (`overflow`).
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import count, groupby
from time import monotonic
from typing import Any, Final, Literal, cast

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)

from taximeter_producers.buffer import Buffer, Item
from taximeter_producers.drain import Drain
from taximeter_producers.emitter import Rarely
from taximeter_producers.loop import CourierLoop
from taximeter_producers.overflow import Overflow, from_disk
from taximeter_producers.packing import (
    Delivery,
    EncodedEvent,
    Packer,
    Record,
)
from taximeter_schemas.errors import EventTooLarge
from taximeter_schemas.lost_connections import lost_is_an_error
from taximeter_schemas.records import MAX_EVENT_BYTES, PACKED_HEADER
from taximeter_schemas.usage import EmittedEvent

__all__ = ["Compression", "Courier", "Plan"]

log = logging.getLogger(__name__)

Compression = Literal["gzip", "snappy", "lz4", "zstd"]

_TOO_LARGE: Final = (MessageSizeTooLargeError, RecordListTooLargeError)
_BATCH_OVERHEAD_BYTES: Final = 64 * 1024
_FIRST_RETRY_SECONDS: Final = 0.1
_LAST_RETRY_SECONDS: Final = 5.0
_DISCARD_SECONDS: Final = 2.0
_JOIN_SECONDS: Final = 5.0
_LOOK_SECONDS: Final = 0.1
_LOOKS_A_TENDING: Final = 10
_SHRINK_SECONDS: Final = 0.25
_SHRINK_AT_ONCE: Final = 500


@dataclass(frozen=True)
class Plan:
    """What the courier is told."""

    bootstrap: str
    topic: str
    linger_seconds: float
    max_record_events: int
    max_record_bytes: int
    client_id: str
    compression: Compression | None


class Courier:
    """Takes events out of the buffer and sees each into Kafka.

    `start`, `wake`, `hurry` and `stop` are called from other threads; all else runs
    in the loop of its own thread.
    """

    def __init__(
        self, plan: Plan, buffer: Buffer, overflow: Overflow | None = None
    ) -> None:
        self.connected = threading.Event()
        self.trouble = ""
        self.away = False
        self._plan = plan
        self._buffer = buffer
        self._loop = CourierLoop()
        self._thread = threading.Thread(
            target=self._run, name="taximeter-emitter", daemon=True
        )
        self._woken = asyncio.Event()
        self._hurried = asyncio.Event()
        self._stopping = asyncio.Event()
        self._packer: Packer | None = None
        self._outbox: dict[Record, None] = {}
        self._producer: AIOKafkaProducer | None = None
        self._failure: BaseException | None = None
        self._retry_seconds = _FIRST_RETRY_SECONDS
        self._rarely = Rarely()
        self._answers = 0
        self._overflow = overflow
        self._drain: Drain | None = None
        if overflow is not None:
            self._drain = Drain(buffer, overflow.spool, self._resume)

    def start(self) -> None:
        """Start the thread; it connects at once."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def wake(self) -> None:
        """Say that there is something in the buffer."""
        self._call(self._woken)

    def hurry(self) -> None:
        """Say that somebody waits: do not linger this time."""
        self._call(self._hurried)

    def stop(self) -> None:
        """End the thread, whatever is left."""
        self._call(self._stopping)
        self._thread.join(_JOIN_SECONDS)

    def save(self, timeout: float) -> None:
        """Move what waits in memory to disk; the thread goes on."""
        if self._overflow is None or not self.alive:
            return
        moving = self._move(self._overflow, records=True)
        try:
            asyncio.run_coroutine_threadsafe(moving, self._loop).result(timeout)
        except Exception:
            log.exception("what waits in memory could not be moved to disk")

    def left(self) -> list[bytes]:
        """Return the events that are only here, when the thread is over."""
        return [event for record in self._only_here() for event in record.encoded]

    def _call(self, event: asyncio.Event) -> None:
        with suppress(RuntimeError):  # the loop is closed: nothing left to tell
            self._loop.call_soon_threadsafe(event.set)

    def _run(self) -> None:
        self._loop.serve(self._until_stopped(), log)

    async def _until_stopped(self) -> None:
        tasks = [
            asyncio.ensure_future(self._serve_for_ever()),
            asyncio.ensure_future(self._keep_small()),
        ]
        if self._overflow is not None:
            tasks.append(asyncio.ensure_future(self._keep(self._overflow)))
        await self._stopping.wait()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=2 * _DISCARD_SECONDS)
        await self._loop.end_rest(_DISCARD_SECONDS)

    async def _keep_small(self) -> None:
        """Let events that have to wait do so as they will travel.

        It has to be done once anyway, and takes a quarter of the memory.
        """
        while True:
            await self._woken.wait()
            await asyncio.sleep(_SHRINK_SECONDS)
            while self._buffer.shrink(_SHRINK_AT_ONCE, _as_it_travels):
                await asyncio.sleep(0)

    async def _keep(self, overflow: Overflow) -> None:
        """Look after the spool, whatever Kafka does meanwhile."""
        for look in count():
            try:
                if look % _LOOKS_A_TENDING == 0:
                    overflow.tend()
                overflow.spool.turn_over()
                await self._move_if_due(overflow)
            except Exception:
                log.exception("the spool could not be looked after")
            await asyncio.sleep(_LOOK_SECONDS)

    async def _move_if_due(self, overflow: Overflow) -> None:
        under_way = bool(self._outbox or (self._packer and self._packer.records()))
        records, events = overflow.due(under_way, self._answers, monotonic())
        self.away = self.away or records
        if events:
            await self._move(overflow, records=records)

    async def _move(self, overflow: Overflow, *, records: bool) -> None:
        if records:
            self._forget(overflow.move_records(self._only_here()))
        await overflow.move_events()
        self._woken.set()

    def _only_here(self) -> list[Record]:
        """Return the records of events that are not on disk, oldest first."""
        packed = self._packer.records() if self._packer else []
        return [r for r in (*self._outbox, *packed) if not from_disk(r)]

    def _forget(self, records: list[Record]) -> None:
        for record in records:
            self._outbox.pop(record, None)
            if self._packer is not None:
                self._packer.drop(record)

    async def _serve_for_ever(self) -> None:
        while True:
            self._producer = producer = self._new_producer()
            try:
                with lost_is_an_error():
                    await self._serve(producer)
            except Exception as error:
                self._say(error)
            finally:
                await _discard(producer)
            await asyncio.sleep(self._retry_seconds)
            self._retry_seconds = min(self._retry_seconds * 2, _LAST_RETRY_SECONDS)

    def _new_producer(self) -> AIOKafkaProducer:
        batch_bytes = self._plan.max_record_bytes + _BATCH_OVERHEAD_BYTES
        return AIOKafkaProducer(
            bootstrap_servers=self._plan.bootstrap,
            client_id=self._plan.client_id,
            enable_idempotence=True,
            acks="all",
            compression_type=self._plan.compression,
            max_batch_size=batch_bytes,
            max_request_size=batch_bytes,
        )

    async def _serve(self, producer: AIOKafkaProducer) -> None:
        await producer.start()
        self.trouble = f"it does not know the topic {self._plan.topic}"
        partitions = await self._partitions(producer)
        self.trouble = ""
        self.away = False
        self.connected.set()
        self._failure = None
        await self._send_again(producer, partitions)
        while True:
            await self._due()
            await self._send_new(producer)

    async def _partitions(self, producer: AIOKafkaProducer) -> int:
        return len(await producer.partitions_for(self._plan.topic))

    def _resume(self) -> None:
        self._woken.set()
        self._hurried.set()

    async def _due(self) -> None:
        """Wait until there is something to send, and a little longer for more."""
        await self._woken.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._plan.linger_seconds):
                await self._hurried.wait()
        self._woken.clear()
        self._hurried.clear()

    async def _send_again(self, producer: AIOKafkaProducer, partitions: int) -> None:
        """Send what an earlier producer did not see acknowledged, in its order."""
        if self._packer is not None:
            self._outbox.update(dict.fromkeys(self._packer.all()))
        self._packer = self._new_packer(partitions)
        for record in list(self._outbox):
            if record not in self._outbox:  # moved to disk meanwhile
                continue
            if record.suspect:
                await self._send_alone(producer, record)
            else:
                await self._send(producer, record)
        self._woken.set()

    def _new_packer(self, partitions: int) -> Packer:
        plan = self._plan
        return Packer(partitions, plan.max_record_events, plan.max_record_bytes)

    async def _send_new(self, producer: AIOKafkaProducer) -> None:
        """Send what is on disk, then what is in the buffer, a stretch at a time."""
        packer = self._packer
        partitions = await self._partitions(producer)
        if packer is None or partitions != packer.partitions:
            raise _PartitionsChanged(partitions)
        stretch = self._plan.max_record_events * partitions
        self._buffer.rest()
        self._raise_failure()
        while items := await self._behind_the_disk(producer, packer, stretch):
            for waited_for, some in groupby(items, _is_delivery):
                if waited_for:
                    for delivery in cast("Iterator[Delivery]", some):
                        self._pack_delivery(packer, delivery)
                else:
                    events = cast("Iterator[EmittedEvent | EncodedEvent]", some)
                    self._pack(packer, events, None)
            await self._send_all(producer, packer.full())
            self._raise_failure()
        await self._send_all(producer, packer.all())

    async def _behind_the_disk(
        self, producer: AIOKafkaProducer, packer: Packer, most: int
    ) -> list[Item]:
        """Send what is on disk; then take what was in the buffer before that.

        Not what came meanwhile: who flushes waits for what he had put on disk, and
        some of that may have come too late to be read.
        """
        waiting = self._buffer.waiting
        if not await self._send_stored(producer, packer):
            return []
        return self._buffer.take(min(most, waiting))

    async def _send_stored(self, producer: AIOKafkaProducer, packer: Packer) -> bool:
        """Send what is on disk, oldest first; False if some of it has to wait."""
        if self._drain is None:
            return True
        while not self._drain.enough:
            records = self._drain.next_records(packer)
            if records is None:
                return True
            await self._send_all(producer, records)
            self._raise_failure()
        return False

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _pack_delivery(self, packer: Packer, delivery: Delivery) -> None:
        if not delivery.events:
            for record in (*self._outbox, *packer.records()):
                record.hold(delivery)
        self._pack(packer, delivery.events, delivery)
        delivery.complete()

    def _pack(
        self,
        packer: Packer,
        events: Iterable[EmittedEvent | EncodedEvent],
        delivery: Delivery | None,
    ) -> None:
        encoded = (self._encoded(event, delivery) for event in events)
        packer.add([one for one in encoded if one is not None], delivery)

    def _encoded(
        self, event: EmittedEvent | EncodedEvent, delivery: Delivery | None
    ) -> EncodedEvent | None:
        try:
            encoded = EncodedEvent.of(event)
            if len(encoded.value) > MAX_EVENT_BYTES:
                raise EventTooLarge(len(encoded.value), MAX_EVENT_BYTES)  # noqa: TRY301
        except Exception as error:
            # Only an event that was built around its own validation comes here.
            self._buffer.settle(lost=1)
            log.exception("usage event lost: it cannot be encoded")
            if delivery is not None:
                delivery.fail(error)
            return None
        return encoded

    async def _send_all(
        self, producer: AIOKafkaProducer, records: list[Record]
    ) -> None:
        self._outbox.update(dict.fromkeys(records))
        for record in records:
            if record in self._outbox:  # and not moved to disk meanwhile
                await self._send(producer, record)

    async def _send(self, producer: AIOKafkaProducer, record: Record) -> None:
        try:
            future = await self._post(producer, record)
        except _TOO_LARGE:
            record.suspect = True
            raise
        future.add_done_callback(partial(self._answered, producer, record))

    async def _post(
        self, producer: AIOKafkaProducer, record: Record
    ) -> asyncio.Future[Any]:
        answer: asyncio.Future[Any] = await producer.send(
            self._plan.topic,
            value=record.value,
            key=record.key,
            partition=record.partition,
            headers=[(PACKED_HEADER, str(record.partitions).encode())],
        )
        return answer

    def _answered(
        self, producer: AIOKafkaProducer, record: Record, answer: asyncio.Future[Any]
    ) -> None:
        error = asyncio.CancelledError() if answer.cancelled() else answer.exception()
        if error is None:
            self._answers += 1
            self.away = False
            self._acknowledged(record)
            return
        record.suspect = record.suspect or isinstance(error, _TOO_LARGE)
        # A producer that was thrown away fails all it held: that is no news.
        if producer is self._producer and not isinstance(error, asyncio.CancelledError):
            self._failure = error
            self._resume()

    def _acknowledged(self, record: Record) -> None:
        if record not in self._outbox:
            return
        del self._outbox[record]
        self._retry_seconds = _FIRST_RETRY_SECONDS
        self._buffer.settle(delivered=len(record.encoded))
        record.release()

    async def _send_alone(self, producer: AIOKafkaProducer, record: Record) -> None:
        """Find out whether this record is what the broker finds too large.

        Alone, so that the answer is about it and no other. If it is, it is halved,
        and the halves are tried by the next producer.
        """
        await producer.flush()
        try:
            await (await self._post(producer, record))
        except _TOO_LARGE:
            self._divide(record)
            raise
        self._acknowledged(record)

    def _divide(self, record: Record) -> None:
        if len(record.encoded) == 1:
            del self._outbox[record]
            self._buffer.settle(lost=1)
            log.error("usage event lost, too large for the topic: key %r", record.key)
            record.fail(EventTooLarge(record.size_bytes, self._plan.max_record_bytes))
            return
        # Rebuilt, since the halves stand where the whole one stood.
        parts = {r: r.halves() if r is record else (r,) for r in list(self._outbox)}
        self._outbox = {part: None for some in parts.values() for part in some}

    def _say(self, error: Exception) -> None:
        self.trouble = str(error) or type(error).__name__
        self.away = True
        if self._rarely.now():
            log.warning(
                "Kafka at %s: %s; %d usage events wait, trying again",
                self._plan.bootstrap,
                self.trouble,
                self._buffer.pending,
            )


def _is_delivery(item: Item) -> bool:
    return isinstance(item, Delivery)


def _as_it_travels(item: Item) -> Item:
    if isinstance(item, Delivery):
        return item
    try:
        return EncodedEvent.of(item)
    except Exception:
        return item  # counted and said when its turn comes


class _PartitionsChanged(Exception):
    """The topic has another number of partitions than a moment ago: pack anew."""

    def __init__(self, partitions: int) -> None:
        super().__init__(f"the topic now has {partitions} partitions")


async def _discard(producer: AIOKafkaProducer) -> None:
    """Stop a producer without waiting for a broker that may be away."""
    # stop() alone waits until all is acknowledged, which may be never. Whatever this
    # producer still holds stands in the outbox.
    producer._message_accumulator.fail_all(KafkaError("this producer is thrown away"))
    try:
        async with asyncio.timeout(_DISCARD_SECONDS):
            await producer.stop()
    except Exception:
        log.debug("a producer did not stop cleanly", exc_info=True)
        if producer._sender.sender_task is not None:
            producer._sender.sender_task.cancel()
        await producer.client.close()
