"""What a test itself sends to Kafka and reads from it, without the worker's code."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

from aiokafka import (
    AIOKafkaConsumer,
    AIOKafkaProducer,
    ConsumerRecord,
    TopicPartition,
)
from pydantic_core import from_json

from taximeter_schemas.alerts import Alert, BudgetThresholdCrossed, alert_adapter
from taximeter_schemas.budgets import BudgetEvent, BudgetStatus, budget_key
from taximeter_schemas.charges import Charge, UsagePriced, charges_adapter
from taximeter_schemas.dead_letters import DeadLetter
from taximeter_schemas.money import usd_from_pico
from taximeter_schemas.records import PACKED_HEADER, packed, usage_partition
from taximeter_schemas.records import encode_event as encoded
from taximeter_schemas.topics import Topic, Topics
from taximeter_schemas.usage import UsageEvent

__all__ = ["BrokerSide", "Read", "event_id"]

T = TypeVar("T")


@dataclass(frozen=True)
class Read:
    """One committed record."""

    partition: int
    offset: int
    at: datetime
    key: bytes
    value: bytes


@dataclass(frozen=True)
class BrokerSide:
    """One installation's topics, seen from outside.

    Args:
        bootstrap: Kafka's address.
        topics: the installation's topics.
    """

    bootstrap: str
    topics: Topics

    async def emit(self, events: Iterable[UsageEvent]) -> None:
        """Send events as our emitter does: packed, each in its own partition."""
        by_partition: dict[int, list[bytes]] = {}
        for event in events:
            own = usage_partition(event.event_id, self.topics.partitions)
            by_partition.setdefault(own, []).append(encoded(event))
        headers = [(PACKED_HEADER, str(self.topics.partitions).encode())]
        async with self.producer() as producer:
            for partition, items in by_partition.items():
                await producer.send_and_wait(
                    self.topics.usage.name,
                    packed(items),
                    partition=partition,
                    headers=headers,
                )

    async def put(self, *values: bytes | None, partition: int = 0) -> None:
        """Send records as they stand into one partition of `usage`."""
        async with self.producer() as producer:
            for value in values:
                await producer.send_and_wait(
                    self.topics.usage.name, value, key=b"any", partition=partition
                )

    async def define(self, *budgets: BudgetEvent) -> None:
        """Define or remove budgets."""
        async with self.producer() as producer:
            for budget in budgets:
                await producer.send_and_wait(
                    self.topics.budgets.name,
                    budget.model_dump_json().encode(),
                    key=budget_key(budget),
                )

    @asynccontextmanager
    async def producer(
        self,
        transactional_id: str | None = None,
        compression_type: str | None = None,
        max_request_size: int = 1_048_576,
    ) -> AsyncIterator[AIOKafkaProducer]:
        """Give a producer of the test's own."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self.bootstrap,
            transactional_id=transactional_id,
            compression_type=compression_type,
            max_request_size=max_request_size,
        )
        await producer.start()
        try:
            yield producer
        finally:
            await producer.stop()

    async def read(self, topic: Topic) -> list[Read]:
        """Return all committed records of a topic, by partition and offset."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=16 * 1024 * 1024,
        )
        try:
            await consumer.start()
            return [read async for read in _up_to_the_end(consumer, topic)]
        finally:
            await consumer.stop()

    async def charges(self) -> list[Charge]:
        """Return every charge there is."""
        records = await self.read(self.topics.charges)
        return [c for r in records for c in charges_adapter.validate_json(r.value)]

    async def alerts(self) -> list[BudgetThresholdCrossed]:
        """Return every alert of a threshold that there is."""
        found = await self.every_alert()
        return [each for each in found if isinstance(each, BudgetThresholdCrossed)]

    async def every_alert(self) -> list[Alert]:
        """Return every alert there is, of any kind."""
        return await self._all(self.topics.budget_alerts, alert_adapter.validate_json)

    async def dead_letters(self) -> list[DeadLetter]:
        """Return every dead letter there is."""
        return await self._all(self.topics.dead_letters, DeadLetter.model_validate_json)

    async def statuses(self) -> dict[str, BudgetStatus]:
        """Return the latest status of each account, by its key."""
        records = await self.read(self.topics.budget_status)
        latest = {record.key.decode(): record.value for record in records}
        return {
            key: BudgetStatus.model_validate_json(value)
            for key, value in latest.items()
            if value
        }

    async def spend(self) -> dict[tuple[str, str], tuple[Decimal, int]]:
        """Return what the spend table says: USD and calls of each subject."""
        latest: dict[tuple[int, bytes], bytes] = {}
        for record in await self.read(self.topics.spend_table):
            latest[record.partition, record.key] = record.value
        spent: dict[tuple[str, str], tuple[Decimal, int]] = {}
        for (_, key), value in latest.items():
            if key.startswith(b"["):
                kind, name, _ = from_json(key)
                usd, calls = spent.get((kind, name), (Decimal(0), 0))
                row = from_json(value)
                spent[kind, name] = usd + usd_from_pico(int(row[0])), calls + row[1]
        return spent

    async def _all(self, topic: Topic, read: Callable[[bytes], T]) -> list[T]:
        return [read(record.value) for record in await self.read(topic)]


def event_id(charge: Charge) -> UUID:
    """Return the id of the event that a charge is for."""
    if isinstance(charge, UsagePriced):
        return charge.recorded.event_id
    return charge.cause.event_id


async def _up_to_the_end(
    consumer: AIOKafkaConsumer, topic: Topic
) -> AsyncIterator[Read]:
    places = [TopicPartition(topic.name, p) for p in range(topic.partitions)]
    consumer.assign(places)
    ends: dict[TopicPartition, int] = await consumer.end_offsets(places)
    while [at for at in places if await consumer.position(at) < ends[at]]:
        batches = await consumer.getmany(timeout_ms=200)
        for at, records in batches.items():
            for record in records:
                yield _read(at.partition, record)


def _read(partition: int, record: ConsumerRecord[bytes, bytes]) -> Read:
    at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
    return Read(partition, record.offset, at, record.key or b"", record.value or b"")
