"""The worker's own way to Kafka, beside Faust's consumer: the only aiokafka import.

What Faust does not do: write everything that a flush says in one transaction which
fences whoever wrote for the partition before; read a stretch of one partition at full
speed; follow a small topic that every worker has to know.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import IllegalOperation, KafkaError, NoError, ProducerFenced
from aiokafka.protocol.group import HeartbeatRequest

from taximeter_schemas.fault_points import reached

__all__ = [
    "TRANSIENT",
    "Batches",
    "Fenced",
    "LogRecord",
    "TransactionalWriter",
    "Writer",
    "first_offset",
    "follow",
    "is_member",
    "log_record",
    "read_log",
    "written_offset",
]

log = logging.getLogger(__name__)

_MAX_BATCH_BYTES = 900 * 1024
_MAX_REQUEST_BYTES = 16 * 1024 * 1024
_READ_AT_ONCE = 5_000

# aiokafka waits for ever where a broker went away at the wrong moment. Whoever calls
# takes a TimeoutError for a failure like others, and begins anew.
_ANSWER_SECONDS = 60.0
_NO_PROGRESS_SECONDS = 30.0
_STOP_SECONDS = 5.0


class Fenced(Exception):
    """Another worker writes for this partition now: what we hold is not ours."""


TRANSIENT: Final = (Fenced, KafkaError, OSError, TimeoutError)
"""What may go wrong on the way to Kafka, and is tried again from the last flush."""


Batches = Mapping[tuple[str, int], Sequence[tuple[bytes | None, bytes | None]]]
"""Keys and values to be written, by topic and partition."""


Headers = Sequence[tuple[str, bytes]]


class LogRecord(NamedTuple):
    """One record that was read; `timestamp` in milliseconds since the epoch."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class Writer:
    """Writes records that may be repeated: what they say is true however often.

    Args:
        bootstrap: Kafka's address.
        name: the client's name, for the broker's logs.
        answer_seconds: how long to wait for Kafka.
    """

    def __init__(
        self, bootstrap: str, name: str, answer_seconds: float = _ANSWER_SECONDS
    ) -> None:
        self._bootstrap = bootstrap
        self._name = name
        self._answer_seconds = answer_seconds
        self._producer: AIOKafkaProducer | None = None
        self._connecting = asyncio.Lock()

    async def close(self) -> None:
        """Let go of the connection."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await _stop(producer)

    async def write(self, batches: Batches, headers: Headers = ()) -> None:
        """Write these records, all with the same headers.

        Raises:
            KafkaError: if one of them was not taken.
            TimeoutError: nobody knows. The next time another connection is made: the
                task that sends for aiokafka can have ended with the one before.
        """
        try:
            async with asyncio.timeout(self._answer_seconds):
                await _write(await self._connected(), batches, headers)
        except TRANSIENT:
            await self.close()
            raise

    async def _connected(self) -> AIOKafkaProducer:
        async with self._connecting:
            if self._producer is None:
                producer = _producer(
                    self._bootstrap, client_id=self._name, enable_idempotence=True
                )
                await producer.start()
                self._producer = producer
        return self._producer


class TransactionalWriter:
    """Writes for one partition of one agent, all or nothing.

    Opening it fences every earlier writer of the same name: a worker that was
    stopped, or cut off, and wakes up again cannot write over its successor.

    Args:
        bootstrap: Kafka's address.
        name: the transactional id, the same for whoever owns the partition.
        agent: whose flushes they are, for the fault points.
    """

    def __init__(self, bootstrap: str, name: str, agent: str) -> None:
        self._agent = agent
        self._producer = _producer(
            bootstrap,
            client_id=name,
            transactional_id=name,
            transaction_timeout_ms=60_000,
        )

    async def open(self) -> None:
        """Become the one writer; an unfinished transaction of another is undone.

        Raises:
            TimeoutError: Kafka did not answer.
        """
        async with asyncio.timeout(_ANSWER_SECONDS):
            await self._producer.start()

    async def close(self) -> None:
        """Let go of the connection; what was not committed is undone."""
        await _stop(self._producer)

    async def write(self, batches: Batches) -> None:
        """Write these records in one transaction.

        Raises:
            Fenced: somebody else writes for the partition now; nothing is written.
            KafkaError: the transaction did not come about, or nobody knows whether
                it did: a newly opened writer's table tells.
            TimeoutError: the same, without an answer.
        """
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._write_all(batches)
        except ProducerFenced as error:
            raise Fenced(str(error)) from error
        except (IllegalOperation, AssertionError) as error:
            # aiokafka's sender, a task of its own, was told of the successor between
            # two of our steps, and the next one finds no transaction any more.
            raise Fenced(f"the transaction is over: {error}") from error

    async def _write_all(self, batches: Batches) -> None:
        await self._producer.begin_transaction()
        reached(self._agent, "begun")
        await _write(self._producer, batches)
        reached(self._agent, "written")
        await self._producer.commit_transaction()
        reached(self._agent, "committed")


def _producer(bootstrap: str, **options: Any) -> AIOKafkaProducer:
    return AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        # Two thirds of the bytes that lz4 makes, which aiokafka uses at level 9, in two
        # fifths of the time (docs/performance.md).
        compression_type="zstd",
        max_batch_size=_MAX_BATCH_BYTES,
        max_request_size=_MAX_REQUEST_BYTES,
        request_timeout_ms=20_000,
        linger_ms=0,
        **options,
    )


async def _stop(producer: AIOKafkaProducer) -> None:
    # stop() waits until everything is acknowledged. What this writer still holds is
    # not wanted any more: it is written anew by the next one, or undone.
    producer._message_accumulator.fail_all(KafkaError("this writer is closed"))
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await producer.stop()
    except (KafkaError, TimeoutError) as error:
        log.debug("closing a writer: %r", error)
        if producer._sender.sender_task is not None:
            producer._sender.sender_task.cancel()
        await producer.client.close()


async def _write(
    producer: AIOKafkaProducer, batches: Batches, headers: Headers = ()
) -> None:
    acknowledged: list[asyncio.Future[Any]] = []
    for to, records in batches.items():
        acknowledged += await _send(producer, to, records, list(headers))
    await asyncio.gather(*acknowledged)


async def _send(
    producer: AIOKafkaProducer,
    to: tuple[str, int],
    records: Sequence[tuple[bytes | None, bytes | None]],
    headers: list[tuple[str, bytes]],
) -> list[asyncio.Future[Any]]:
    # A batch builder spares the task and the log call per record that `send` costs.
    sent: list[asyncio.Future[Any]] = []
    batch = producer.create_batch()
    for key, value in records:
        # The first record of a builder is always taken, however large it is.
        if not batch.append(key=key, value=value, timestamp=None, headers=headers):
            sent.append(await _send_batch(producer, batch, to))
            batch = producer.create_batch()
            batch.append(key=key, value=value, timestamp=None, headers=headers)
    if batch.record_count():
        sent.append(await _send_batch(producer, batch, to))
    return sent


async def _send_batch(
    producer: AIOKafkaProducer, batch: Any, to: tuple[str, int]
) -> asyncio.Future[Any]:
    topic, partition = to
    return await producer.send_batch(batch, topic, partition=partition)


@asynccontextmanager
async def _consumer(
    bootstrap: str, isolation_level: str = "read_committed"
) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        isolation_level=isolation_level,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=8 * 1024 * 1024,
    )
    try:
        # Its own context manager forgets one that was cancelled while it connected.
        await consumer.start()
        yield consumer
    finally:
        await consumer.stop()


def log_record(record: Any) -> LogRecord:
    """Return a record that a consumer fetched."""
    return LogRecord(
        record.offset, record.timestamp, record.key, record.value, record.headers
    )


async def is_member(consumer: AIOKafkaConsumer) -> bool:
    """Ask the coordinator of its group whether this consumer is of today's generation.

    It is a heartbeat from which nothing follows, unlike from aiokafka's own.

    Raises:
        KafkaError: nobody can be asked.
    """
    group: Any = consumer._coordinator
    beat = HeartbeatRequest(group.group_id, group.generation, group.member_id)
    try:
        answer = await group._send_req(beat)
    except asyncio.CancelledError as error:
        # What waits on a connection that is closed is cancelled; we are not.
        raise KafkaError("the connection to the coordinator is closed") from error
    return bool(answer.error_code == NoError.errno)


async def first_offset(bootstrap: str, topic: str, partition: int) -> int:
    """Return the offset of the oldest record that the partition still has."""
    at = TopicPartition(topic, partition)
    async with _consumer(bootstrap) as consumer:
        offsets = await consumer.beginning_offsets([at])
    return int(offsets[at])


async def written_offset(bootstrap: str, topic: str, partition: int) -> int:
    """Return the offset behind all that is written, be it committed or not yet.

    A transaction's commit is answered before its records can be read: until a marker
    stands behind them too, the end for readers is before them.
    """
    at = TopicPartition(topic, partition)
    async with _consumer(bootstrap, "read_uncommitted") as consumer:
        return int((await consumer.end_offsets([at]))[at])


async def read_log(
    bootstrap: str,
    topic: str,
    partition: int,
    start: int = 0,
    end: int | None = None,
    *,
    wait: bool = False,
) -> AsyncIterator[Sequence[LogRecord]]:
    """Read the committed records of one partition, many at a time.

    Args:
        bootstrap: Kafka's address.
        topic: which topic.
        partition: which partition of it.
        start: the first offset wanted; an older log end is read from what is left.
        end: the offset to stop before; None means what is there now.
        wait: for the end, if it cannot be read yet; else it is not looked for behind
            what can be read now.

    Raises:
        KafkaError: it cannot be read.
        TimeoutError: nothing more came for half a minute.
    """
    at = TopicPartition(topic, partition)
    async with _consumer(bootstrap) as consumer:
        consumer.assign([at])
        first = (await consumer.beginning_offsets([at]))[at]
        last = (await consumer.end_offsets([at]))[at]
        until = last if end is None else end if wait else min(end, last)
        consumer.seek(at, max(start, first))
        # The position passes transaction markers too, which are never delivered.
        position, moved_at = -1, monotonic()
        while (stands := await consumer.position(at)) < until:
            if stands > position:
                position, moved_at = stands, monotonic()
            elif monotonic() > moved_at + _NO_PROGRESS_SECONDS:
                raise TimeoutError(f"{topic}/{partition} stands still at {stands}")
            batches = await consumer.getmany(
                at, timeout_ms=1_000, max_records=_READ_AT_ONCE
            )
            records = [log_record(r) for r in batches.get(at, ()) if r.offset < until]
            if records:
                yield records


async def follow(
    bootstrap: str, topic: str, start: int = 0
) -> AsyncIterator[LogRecord | None]:
    """Yield records of a one-partition topic from an offset on, and new ones.

    A None says that all which was there at the start has been yielded.

    Raises:
        KafkaError: it cannot be read.
    """
    at = TopicPartition(topic, 0)
    async with _consumer(bootstrap) as consumer:
        consumer.assign([at])
        first = (await consumer.beginning_offsets([at]))[at]
        present = (await consumer.end_offsets([at]))[at]
        consumer.seek(at, max(start, first))
        caught_up = False
        while True:
            if not caught_up and await consumer.position(at) >= present:
                caught_up = True
                yield None
            batches = await consumer.getmany(at, timeout_ms=500)
            for record in batches.get(at, ()):
                yield log_record(record)
