"""What stands in the usage topic, and a broker that can be taken away."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from taximeter_producers.attribution import usage_recorded
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.records import (
    PACKED_HEADER,
    Fault,
    read_record,
    usage_partition,
)
from taximeter_schemas.topics import Topics
from taximeter_schemas.usage import UsageRecorded
from tests.serving import Handler

__all__ = [
    "a_usage",
    "create_small_topic",
    "ids",
    "in_kafka",
    "passing_on",
]


def a_usage(**fields: Any) -> UsageRecorded:  # noqa: ANN401
    """Return a usage event with these fields and plain others."""
    return usage_recorded(provider="p", model="m", usage={}, **fields)


def ids(events: Iterable[UsageRecorded]) -> list[UUID]:
    """Return the ids of these events in an order of their own."""
    return sorted(event.event_id for event in events)


async def in_kafka(bootstrap: str, topics: Topics) -> list[UsageRecorded]:
    """Return every event in the topic, each found where its id belongs."""
    partitions = [
        TopicPartition(topics.usage.name, n) for n in range(topics.partitions)
    ]
    now = SystemClock().now()
    found: list[UsageRecorded] = []
    async with AIOKafkaConsumer(
        bootstrap_servers=bootstrap, auto_offset_reset="earliest"
    ) as consumer:
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        for partition, end in ends.items():
            while await consumer.position(partition) < end:
                record = await consumer.getone(partition)
                assert record.headers == ((PACKED_HEADER, b"4"),)
                for event in read_record(record.value, now):
                    assert not isinstance(event, Fault)
                    assert usage_partition(event.event_id, 4) == record.partition
                    assert isinstance(event, UsageRecorded)
                    found.append(event)
    return found


async def create_small_topic(bootstrap: str, topics: Topics) -> None:
    """Create a usage topic that takes no records above 2,000 bytes."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        config = {"max.message.bytes": "2000"}
        topic = NewTopic(topics.usage.name, 4, 1, topic_configs=config)
        await admin.create_topics([topic])
    finally:
        await admin.close()


def passing_on(bootstrap: str) -> Handler:
    """Return what passes everything on to the broker, and back."""
    host, _, real = bootstrap.rpartition(":")

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        finally:
            sink.close()

    async def serve(near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        far, forth = await asyncio.open_connection(host, int(real))
        await asyncio.gather(pump(near, forth), pump(far, back))

    return serve
