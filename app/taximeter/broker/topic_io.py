"""Small topics, read and written from outside the workers: budgets, alerts, letters.

Whoever reads here has no consumer group and leaves no trace in Kafka.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Literal, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from taximeter.broker.admin import check_broker, end_offsets
from taximeter.broker.unavailable import unavailable_means
from taximeter_schemas.errors import BrokerUnavailable
from taximeter_schemas.topics import Topic

__all__ = ["TopicRecord", "follow_topic", "publish", "read_topic", "scan_topic"]

_log: Final = logging.getLogger(__name__)
_AGAIN_SECONDS: Final = 1.0
_FETCH_MS: Final = 500
_QUIET_FETCHES: Final = 4
_ACKNOWLEDGED_SECONDS: Final = 20.0
_MAX_REQUEST_BYTES: Final = 16 * 1024 * 1024


class TopicRecord(NamedTuple):
    """One record that was read."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


async def read_topic(bootstrap: str, topic: Topic) -> list[TopicRecord]:
    """Return the committed records that a topic has now; none if it does not exist.

    Raises:
        BrokerUnavailable: no broker answers.
    """
    return [record async for record in scan_topic(bootstrap, topic)]


async def scan_topic(bootstrap: str, topic: Topic) -> AsyncIterator[TopicRecord]:
    """Yield the committed records that a topic has now, however many they are.

    Raises:
        BrokerUnavailable: no broker answers.
    """
    ends = (await end_offsets(bootstrap, [topic])).get(topic.name, [])
    if not any(ends):
        return
    async with _consumer(bootstrap, topic, len(ends)) as consumer:
        quiet = 0
        # An unfinished transaction, or the trace of a finished one, stands in the log
        # and is never delivered: after a while without records there are no more.
        while quiet < _QUIET_FETCHES and not await _reached(consumer, topic, ends):
            fetched = await _fetch(consumer)
            quiet = 0 if fetched else quiet + 1
            for record in fetched:
                yield record


async def follow_topic(
    bootstrap: str, topic: Topic, next_offsets: Mapping[int, int] | None = None
) -> AsyncIterator[list[TopicRecord]]:
    """Yield the committed records of a topic, and the new ones as they come.

    What comes together is yielded together. It goes on for ever, through restarts of
    the broker. A partition begins at its offset in `next_offsets`, or where it begins.

    Raises:
        BrokerUnavailable: no broker answers at the start.
    """
    await check_broker(bootstrap)
    following = dict(next_offsets or {})
    while True:
        try:
            async with _consumer(bootstrap, topic, topic.partitions) as consumer:
                for partition, offset in following.items():
                    consumer.seek(TopicPartition(topic.name, partition), offset)
                while True:
                    fetched = await _fetch(consumer)
                    following |= {one.partition: one.offset + 1 for one in fetched}
                    if fetched:
                        yield fetched
        except BrokerUnavailable as error:
            _log.warning("%s: %s; going on in a moment", topic.name, error)
            await asyncio.sleep(_AGAIN_SECONDS)


async def publish(
    bootstrap: str,
    topic: Topic,
    records: Sequence[tuple[bytes, bytes]],
    partition: int = 0,
    compression: Literal["gzip"] | None = None,
) -> None:
    """Write records (key, value) and return when Kafka has acknowledged all of them.

    Raises:
        BrokerUnavailable: no broker answers, or it did not take them in time.
    """
    if not records:
        return
    await check_broker(bootstrap)
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        enable_idempotence=True,
        linger_ms=5,
        compression_type=compression,
        max_request_size=_MAX_REQUEST_BYTES,
    )
    with unavailable_means(bootstrap):
        async with asyncio.timeout(_ACKNOWLEDGED_SECONDS):
            await producer.start()
            try:
                sent = [
                    await producer.send(topic.name, value, key=key, partition=partition)
                    for key, value in records
                ]
                await asyncio.gather(*sent)
            finally:
                await producer.stop()


@asynccontextmanager
async def _consumer(
    bootstrap: str, topic: Topic, partitions: int
) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_partition_fetch_bytes=16 * 1024 * 1024,
    )
    with unavailable_means(bootstrap):
        try:
            await consumer.start()
            places = [TopicPartition(topic.name, p) for p in range(partitions)]
            consumer.assign(places)
            await consumer.seek_to_beginning(*places)
            yield consumer
        finally:
            await consumer.stop()


async def _fetch(consumer: AIOKafkaConsumer) -> list[TopicRecord]:
    batches = await consumer.getmany(timeout_ms=_FETCH_MS)
    return [
        TopicRecord(place.partition, record.offset, record.key, record.value)
        for place, records in batches.items()
        for record in records
    ]


async def _reached(consumer: Any, topic: Topic, ends: Sequence[int]) -> bool:  # noqa: ANN401 - untyped
    for partition, end in enumerate(ends):
        if await consumer.position(TopicPartition(topic.name, partition)) < end:
            return False
    return True
