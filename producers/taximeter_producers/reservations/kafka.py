"""The way to the owners of budgets and back: the only aiokafka import in here.

Everything runs in one event loop. A connection that fails is made anew, and answers
are read on from where they were: what was asked meanwhile is answered once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from taximeter_producers.emitter import Rarely
from taximeter_schemas.lost_connections import lost_is_an_error
from taximeter_schemas.topics import Topic, Topics

__all__ = ["Wire"]

log = logging.getLogger(__name__)

_AGAIN_SECONDS: Final = 0.5
_REQUEST_TIMEOUT_MS: Final = 10_000
_FETCH_WAIT_MS: Final = 100
_STOP_SECONDS: Final = 2.0

Take = Callable[[bytes | None, bytes | None], None]
"""Is told the key and the value of a record."""


class Wire:
    """Sends requests, and tells of budgets and answers.

    Args:
        bootstrap: `host:port`, or several of them separated by commas.
        topics: names of the topics; the number of partitions is asked of Kafka.
        client_id: what the broker's logs and quotas call this program.
        on_budget: told every record of `budgets`, from the first one on.
        on_answer: told every answer from now on, whoever it is for.
    """

    def __init__(
        self,
        bootstrap: str,
        topics: Topics,
        client_id: str,
        on_budget: Take,
        on_answer: Take,
    ) -> None:
        self._topics = topics
        self._on_budget = on_budget
        self._on_answer = on_answer
        self._ways: dict[str, Any] = {
            "bootstrap_servers": bootstrap,
            "client_id": client_id,
        }
        self._producer: AIOKafkaProducer | None = None
        self._read_to: dict[TopicPartition, int] = {}
        self._listening, self._informed = asyncio.Event(), asyncio.Event()
        self._rarely = Rarely()
        self.partitions = 0

    @property
    def is_ready(self) -> bool:
        """Whether every budget is known, and no answer can be missed."""
        return self._listening.is_set() and self._informed.is_set()

    async def ready(self) -> None:
        """Wait until every budget is known, and no answer can be missed."""
        await self._listening.wait()
        await self._informed.wait()

    async def run(self) -> None:
        """Keep the connection up, until it is cancelled."""
        while True:
            try:
                with lost_is_an_error():
                    await self._connected()
            except (KafkaError, OSError, TimeoutError, ExceptionGroup) as error:
                if self._rarely.now():
                    log.warning("reservations: Kafka: %r, trying again", error)
            await asyncio.sleep(_AGAIN_SECONDS)

    async def send(self, partition: int, key: bytes, value: bytes) -> None:
        """Send a record to a partition of `spend`; it is in its order from now on.

        Raises:
            ConnectionError: there is no connection just now.
        """
        if self._producer is None:
            raise ConnectionError("there is no connection to Kafka")
        spend = self._topics.spend.name
        try:
            sent = await self._producer.send(spend, value, key, partition=partition)
        except KafkaError as error:
            raise ConnectionError(str(error)) from error
        sent.add_done_callback(self._sent)

    def _sent(self, sent: asyncio.Future[Any]) -> None:
        error = None if sent.cancelled() else sent.exception()
        if error is not None and self._rarely.now():
            log.warning("a reservation request was not delivered: %r", error)

    async def _connected(self) -> None:
        async with self._produces() as producer:
            spend = self._topics.spend.name
            self.partitions = len(await producer.partitions_for(spend))
            self._producer = producer
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._follow_budgets())
                tasks.create_task(self._follow_answers())

    @asynccontextmanager
    async def _produces(self) -> AsyncIterator[AIOKafkaProducer]:
        # Not idempotent: that producer is lost after some errors, and its owner knows
        # a request that comes twice. One batch at a time keeps the order.
        producer = AIOKafkaProducer(
            **self._ways, acks="all", request_timeout_ms=_REQUEST_TIMEOUT_MS
        )
        try:
            await producer.start()
            yield producer
        finally:
            self._producer = None
            await _stop(producer)

    async def _follow_budgets(self) -> None:
        async with self._consumes(self._topics.budgets, 1) as consumer:
            places = sorted(consumer.assignment())
            await consumer.seek_to_beginning(*places)
            ends = await consumer.end_offsets(places)
            while True:
                if await _is_past(consumer, ends):
                    self._informed.set()
                await _read(consumer, self._on_budget)

    async def _follow_answers(self) -> None:
        answers = self._topics.reservation_answers
        async with self._consumes(answers, self.partitions) as consumer:
            await self._resume(consumer)
            self._listening.set()
            while True:
                await _read(consumer, self._on_answer)
                await self._note(consumer)

    async def _resume(self, consumer: AIOKafkaConsumer) -> None:
        new = consumer.assignment() - self._read_to.keys()
        for place in consumer.assignment() - new:
            consumer.seek(place, self._read_to[place])
        if new:
            await consumer.seek_to_end(*new)
        await self._note(consumer)

    async def _note(self, consumer: AIOKafkaConsumer) -> None:
        for place in consumer.assignment():
            self._read_to[place] = await consumer.position(place)

    @asynccontextmanager
    async def _consumes(
        self, topic: Topic, partitions: int
    ) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(
            **self._ways,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="latest",
            fetch_max_wait_ms=_FETCH_WAIT_MS,
        )
        places = [TopicPartition(topic.name, n) for n in range(partitions)]
        # A group of tasks takes a cancelled one for one that is done.
        with lost_is_an_error():
            try:
                await consumer.start()
                consumer.assign(places)
                yield consumer
            finally:
                await consumer.stop()


async def _is_past(consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> bool:
    return all([await consumer.position(at) >= end for at, end in ends.items()])


async def _read(consumer: AIOKafkaConsumer, take: Take) -> None:
    batches = await consumer.getmany(timeout_ms=1000)
    for records in batches.values():
        for record in records:
            take(record.key, record.value)


async def _stop(producer: AIOKafkaProducer) -> None:
    """Stop a producer without waiting for a broker that may be away."""
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await producer.stop()
    except (KafkaError, TimeoutError):
        log.debug("a producer did not stop cleanly", exc_info=True)
        await producer.client.close()
