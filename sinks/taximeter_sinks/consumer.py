"""The sink's way into Kafka, and the only file of the sinks that knows aiokafka.

Partitions are assigned by hand and positions come from the ledger: there is no
consumer group, whose own idea of an offset could disagree with the rows.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from aiokafka.structs import ConsumerRecord

from taximeter_schemas.lost_connections import lost_is_an_error
from taximeter_schemas.topics import Topic, Topics
from taximeter_sinks.decode import Place, RawRecord

__all__ = ["RecordSource"]

_log: Final = logging.getLogger(__name__)

_FETCH_BYTES: Final = 64 * 1024
_FETCH_WAIT_MS: Final = 100
_PARTITION_BYTES: Final = 4 * 1024 * 1024
_MAX_RECORDS: Final = 100
_RETRY_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 2.0
_LOOK_AGAIN_SECONDS: Final = 30.0
_ANSWER_SECONDS: Final = 10.0


class RecordSource:
    """Reads the sink's topics from given offsets on; a broker that is away is awaited.

    Args:
        bootstrap: where Kafka is.
        topics: which topics; those that do not exist yet are waited for.
        next_offsets: where to begin; a partition that is not in it begins at its
            earliest record.
    """

    def __init__(
        self, bootstrap: str, topics: Topics, next_offsets: Mapping[Place, int]
    ) -> None:
        self._bootstrap = bootstrap
        read = (
            topics.charges,
            topics.budget_alerts,
            topics.deliveries,
            topics.budgets,
            topics.budget_status,
            topics.dead_letters,
            topics.prices,
        )
        self._topics: dict[str, Topic] = {topic.name: topic for topic in read}
        self._next_offsets = dict(next_offsets)
        self._consumer: AIOKafkaConsumer | None = None
        self._assigned: set[TopicPartition] = set()
        self._look_at = 0.0
        self._told_away = False

    async def fetch(self, wait_seconds: float) -> list[RawRecord]:
        """Return the next records, or none after a while. Never raises for Kafka."""
        try:
            with lost_is_an_error():
                consumer = await self._ready()
                if not self._assigned:
                    await asyncio.sleep(wait_seconds)
                    return []
                found = await self._found(consumer, wait_seconds)
        except (KafkaError, OSError, TimeoutError) as error:
            self._say_away(error)
            await asyncio.sleep(_RETRY_SECONDS)
            return []
        self._told_away = False
        return [self._taken(record) for records in found.values() for record in records]

    async def lag(self) -> dict[Place, int]:
        """Return how many records of each partition wait, as the last fetch knew.

        What has been fetched does not wait. The end of a transaction, which is never
        handed out and takes an offset all the same, is passed by the position.
        """
        consumer = self._consumer
        if consumer is None:
            return {}
        ends = {tp: consumer.highwater(tp) for tp in self._assigned}
        return {
            self._place(tp): max(0, end - await consumer.position(tp))
            for tp, end in ends.items()
            if end is not None
        }

    async def close(self) -> None:
        """Let go of the broker."""
        if self._consumer is not None:
            await self._consumer.stop()

    async def _found(
        self, consumer: AIOKafkaConsumer, wait_seconds: float
    ) -> Mapping[TopicPartition, list[ConsumerRecord[bytes, bytes]]]:
        try:
            found: Mapping[TopicPartition, list[ConsumerRecord[bytes, bytes]]]
            found = await consumer.getmany(
                timeout_ms=int(wait_seconds * 1000), max_records=_MAX_RECORDS
            )
        except OffsetOutOfRangeError as error:
            for tp, offset in error.args[0].items():
                await self._begin_anew(consumer, tp, offset)
            return {}
        return found

    async def _begin_anew(
        self, consumer: AIOKafkaConsumer, tp: TopicPartition, offset: int
    ) -> None:
        """Go on at the oldest record there is, where the next one is gone."""
        first = (await consumer.beginning_offsets([tp]))[tp]
        consumer.seek(tp, first)
        self._next_offsets[self._place(tp)] = first
        _log.error(
            "%s/%d goes on at offset %d where %d was next: the records between have "
            "expired, or the topic is not the one that this ledger was filled from; "
            "'taximeter audit' shows what is missing",
            *(tp.topic, tp.partition, first, offset),
        )

    async def _ready(self) -> AIOKafkaConsumer:
        consumer = self._consumer or await self._connected()
        now = asyncio.get_running_loop().time()
        if now >= self._look_at:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._assign(consumer)
            complete = {tp.topic for tp in self._assigned} == set(self._topics)
            self._look_at = now + (_LOOK_AGAIN_SECONDS if complete else _LOOK_SECONDS)
        return consumer

    async def _connected(self) -> AIOKafkaConsumer:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            group_id=None,
            enable_auto_commit=False,
            # An offset that is gone is told. Not every gap is one: the end of each
            # transaction takes an offset too.
            auto_offset_reset="none",
            # What a worker took back with its transaction never happened.
            isolation_level="read_committed",
            fetch_min_bytes=_FETCH_BYTES,
            fetch_max_wait_ms=_FETCH_WAIT_MS,
            max_partition_fetch_bytes=_PARTITION_BYTES,
        )
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await consumer.start()
        except BaseException:
            await consumer.stop()
            raise
        self._consumer = consumer
        return consumer

    async def _assign(self, consumer: AIOKafkaConsumer) -> None:
        """Read every partition that exists by now, each from where it stands."""
        existing = await self._existing()
        if existing <= self._assigned:
            return
        new = [tp for tp in existing if self._place(tp) not in self._next_offsets]
        for tp, first in (await consumer.beginning_offsets(new)).items():
            self._next_offsets[self._place(tp)] = first
        self._assigned |= existing
        consumer.assign(sorted(self._assigned))
        for tp in self._assigned:
            consumer.seek(tp, self._next(tp))

    async def _existing(self) -> set[TopicPartition]:
        """Ask for all topics: asking for one by name could bring it into being."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap)
        try:
            await admin.start()
            described = await admin.describe_topics()
        finally:
            await admin.close()
        return {
            TopicPartition(topic["topic"], partition["partition"])
            for topic in described
            if topic["topic"] in self._topics
            for partition in topic["partitions"]
        }

    def _taken(self, record: ConsumerRecord[bytes, bytes]) -> RawRecord:
        place = Place(record.topic, record.partition)
        self._next_offsets[place] = record.offset + 1
        return RawRecord(
            record.topic, record.partition, record.offset, record.key, record.value
        )

    def _say_away(self, error: Exception) -> None:
        if not self._told_away:
            reason = str(error) or type(error).__name__
            _log.warning("Kafka at %s is away (%s); waiting", self._bootstrap, reason)
        self._told_away = True

    def _next(self, tp: TopicPartition) -> int:
        return self._next_offsets.get(self._place(tp), 0)

    @staticmethod
    def _place(tp: TopicPartition) -> Place:
        return Place(tp.topic, tp.partition)
