"""Follows budgets and their statuses in Kafka: a thread with an event loop of its own.

Whatever goes wrong is said now and then and tried again: the guard goes on with what it
knows, and knows how old that is.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from time import monotonic
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from pydantic import ValidationError

from taximeter_producers.emitter import Rarely
from taximeter_producers.guard.feeds import Told
from taximeter_producers.loop import CourierLoop
from taximeter_schemas.budgets import BudgetEvent, BudgetStatus, budget_event_adapter
from taximeter_schemas.lost_connections import lost_is_an_error
from taximeter_schemas.topics import Topics

__all__ = ["TopicFeed"]

log = logging.getLogger(__name__)

_REQUEST_MS: Final = 5_000
_ANSWER_SECONDS: Final = 10.0
_FETCH_MS: Final = 200
_READ_AT_ONCE: Final = 2_000
_RETRY_SECONDS: Final = 1.0
_STOP_SECONDS: Final = 5.0
_METADATA_MS: Final = 30_000


class TopicFeed:
    """Keeps budgets and standings as the topics have them.

    Args:
        bootstrap: Kafka's address.
        topics: the installation's topics.
        told: what learns of it.
        ask_seconds: how often Kafka is asked whether that was all.
    """

    def __init__(
        self,
        bootstrap: str,
        topics: Topics,
        told: Told,
        ask_seconds: float,
    ) -> None:
        self._bootstrap = bootstrap
        self._budgets_topic = topics.budgets.name
        self._status_topic = topics.budget_status.name
        self._told = told
        self._ask_seconds = ask_seconds
        self._positions: dict[TopicPartition, int] = {}
        self._rarely = Rarely()
        self._unreadable = Rarely()
        self._loop = CourierLoop()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(
            target=self._run, name="taximeter-guard", daemon=True
        )

    def start(self) -> None:
        """Start the thread; it connects at once."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        with suppress(RuntimeError):  # the loop is closed: nothing left to tell
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(2 * _STOP_SECONDS)

    def _run(self) -> None:
        self._loop.serve(self._until_stopped(), log)

    async def _until_stopped(self) -> None:
        following = asyncio.ensure_future(self._follow_for_ever())
        await self._stopping.wait()
        following.cancel()
        await asyncio.wait({following}, timeout=_STOP_SECONDS)
        await self._loop.end_rest(_STOP_SECONDS)

    async def _follow_for_ever(self) -> None:
        while True:
            try:
                with lost_is_an_error():
                    async with self._consumer() as consumer:
                        while True:
                            await self._read_all(consumer)
            except Exception as error:
                self._say(error)
            await asyncio.sleep(_RETRY_SECONDS)

    @asynccontextmanager
    async def _consumer(self) -> AsyncIterator[AIOKafkaConsumer]:
        """Connect a consumer of all partitions, which goes on where we were."""
        consumer = AIOKafkaConsumer(
            self._budgets_topic,
            self._status_topic,
            bootstrap_servers=self._bootstrap,
            client_id="taximeter-guard",
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            # Statuses are written in transactions; what was taken back never was.
            isolation_level="read_committed",
            metadata_max_age_ms=_METADATA_MS,
            # aiokafka leaves a connection open that is cancelled while it is made.
            request_timeout_ms=_REQUEST_MS,
        )
        try:
            await consumer.start()
            for place, offset in self._positions.items():
                if place in consumer.assignment():
                    consumer.seek(place, offset)
            yield consumer
        finally:
            await _discard(consumer)

    async def _read_all(self, consumer: AIOKafkaConsumer) -> None:
        """Read what there is now, and a little longer what comes."""
        asked_at = moved_at = monotonic()
        async with asyncio.timeout(_ANSWER_SECONDS):
            ends = await consumer.end_offsets(list(consumer.assignment()))
        known = False
        while not known or monotonic() < asked_at + self._ask_seconds:
            async with asyncio.timeout(_ANSWER_SECONDS):
                batches = await self._fetched(consumer)
                self._take(batches)
                reached = known or await _reached(consumer, ends)
            if reached and not known:
                known = True
                self._told.freshness.known_as_of(asked_at)
            if batches or known:
                moved_at = monotonic()
            elif monotonic() > moved_at + _ANSWER_SECONDS:
                raise TimeoutError

    async def _fetched(self, consumer: AIOKafkaConsumer) -> Mapping[Any, list[Any]]:
        batches: Mapping[Any, list[Any]] = await consumer.getmany(
            timeout_ms=_FETCH_MS, max_records=_READ_AT_ONCE
        )
        return batches

    def _take(self, batches: Mapping[Any, list[Any]]) -> None:
        now = self._told.clock.now()
        for place, records in batches.items():
            if place.topic == self._budgets_topic:
                read = [self._budget(record.value or b"") for record in records]
                self._told.budgets.learn(event for event in read if event is not None)
            else:
                for record in records:
                    self._take_status(record.key or b"", record.value, now)
            self._positions[place] = records[-1].offset + 1

    def _budget(self, value: bytes) -> BudgetEvent | None:
        try:
            return budget_event_adapter.validate_json(value)
        except ValidationError as error:
            log.error("a budget cannot be read, and is not kept: %s", error)
            return None

    def _take_status(self, key: bytes, value: bytes | None, now: datetime) -> None:
        if value is None:
            self._told.standings.forget(key)
            return
        try:
            self._told.standings.take(key, BudgetStatus.model_validate_json(value), now)
        except ValidationError as error:
            if self._unreadable.now():
                log.error("a budget's status cannot be read: %s", error)

    def _say(self, error: Exception) -> None:
        self._told.freshness.trouble = f"Kafka at {self._bootstrap}: {_words(error)}"
        if self._rarely.now():
            log.warning("budgets: %s; trying again", self._told.freshness.trouble)


async def _reached(
    consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]
) -> bool:
    for place, end in ends.items():
        if await consumer.position(place) < end:
            return False
    return True


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError) and not str(error):
        return "no answer"
    return str(error) or type(error).__name__


async def _discard(consumer: AIOKafkaConsumer) -> None:
    """Stop a consumer without waiting for a broker that may be away."""
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            await consumer.stop()
    except Exception:
        log.debug("a consumer did not stop cleanly", exc_info=True)
        await consumer._client.close()
