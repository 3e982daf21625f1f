"""The emitter that programs use: takes events at once and never makes them wait.

`KafkaEmitter` is the caller's side; `taximeter_producers.courier` is the other one,
a thread that sees each accepted event into Kafka.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from taximeter_producers import exits
from taximeter_producers.buffer import Buffer
from taximeter_producers.courier import Compression, Courier, Plan
from taximeter_producers.emitter import EmitterStats, Refusals, unfit
from taximeter_producers.packing import Delivery, EncodedEvent
from taximeter_schemas.errors import (
    BrokerUnavailable,
    BufferFull,
    EmitterClosed,
    EventRefused,
    EventTooLarge,
)
from taximeter_schemas.records import MAX_EVENT_BYTES
from taximeter_schemas.topics import Topics
from taximeter_schemas.usage import UsageEvent

__all__ = ["Compression", "KafkaEmitter"]

log = logging.getLogger(__name__)


class KafkaEmitter:
    """Emits usage events into Kafka without ever making the caller wait.

    Making one needs no broker; events wait in memory, up to `max_pending`, until
    there is one. Usable from any thread, from sync and from async code, and after a
    fork, where the child starts with an empty buffer.

    Args:
        bootstrap: `host:port`, or several of them separated by commas.
        topics: names of the topics; the number of partitions is asked of Kafka.
        linger_ms: how long events are gathered before they are packed and sent.
        max_record_events: at most this many events are packed into one record.
        max_record_bytes: at most this many bytes, uncompressed.
        max_pending: events accepted and not yet acknowledged; beyond it `emit`
            refuses. An event takes about 2 KB.
        client_id: what the broker's logs and quotas call this program.
        compression: of batches on the wire and in Kafka.
        flush_on_sigterm: see `taximeter_producers.exits.watch`.
    """

    def __init__(  # noqa: PLR0913 - settings, all but one with a default
        self,
        bootstrap: str,
        topics: Topics | None = None,
        *,
        linger_ms: int = 20,
        max_record_events: int = 200,
        max_record_bytes: int = 512 * 1024,
        max_pending: int = 100_000,
        client_id: str = "taximeter-emitter",
        compression: Compression | None = "zstd",
        flush_on_sigterm: bool = True,
    ) -> None:
        self.bootstrap = bootstrap
        self._plan = Plan(
            bootstrap=bootstrap,
            topic=(topics or Topics()).usage.name,
            linger_seconds=linger_ms / 1000,
            max_record_events=max_record_events,
            max_record_bytes=max_record_bytes,
            client_id=client_id,
            compression=compression,
        )
        self._max_pending = max_pending
        self.start_over()
        exits.watch(self, sigterm=flush_on_sigterm)

    def start_over(self) -> None:
        """Begin with an empty buffer and no thread; what a forked child needs."""
        self._lock = threading.RLock()
        self._closed = False
        self._courier: Courier | None = None
        self._buffer = Buffer(self._max_pending, self._wake)
        self._refusals = Refusals()

    def emit(self, event: UsageEvent) -> bool:
        """Take an event; False means that it was refused, counted and logged.

        It takes microseconds, never waits and never raises. What it took is sent
        again until Kafka has it.
        """
        try:
            reason = unfit(event) or self._buffer.put(event)
        except Exception:
            log.exception("an event could not be taken")
            reason = "invalid"
        if reason is None:
            return True
        self._refusals.add(reason)
        return False

    async def deliver(self, events: Iterable[UsageEvent | EncodedEvent]) -> None:
        """Return when Kafka has acknowledged all of these events.

        They are accepted together or refused together. Cancelling it does not take
        back what was accepted. What comes encoded travels as it stands: whoever
        encoded it has validated it.

        Raises:
            EventRefused: nothing was accepted (`BufferFull`, `EmitterClosed`,
                `EventTooLarge`), or an accepted event proved unsendable.
        """
        delivery = Delivery(list(events))
        if not delivery.events:
            return
        self._accept(delivery)
        await asyncio.wrap_future(delivery.future)

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until Kafka has all that was accepted so far.

        Returns:
            False if it has not within `timeout` seconds; nothing is lost by that,
            sending goes on.
        """
        barrier = self._barrier()
        if barrier is None:
            return self._buffer.pending == 0
        try:
            barrier.future.result(timeout)
        except TimeoutError:
            return False
        return True

    async def aflush(self, timeout: float | None = None) -> bool:
        """Do what `flush` does without holding up the event loop."""
        barrier = self._barrier()
        if barrier is None:
            return self._buffer.pending == 0
        try:
            async with asyncio.timeout(timeout):
                await asyncio.wrap_future(barrier.future)
        except TimeoutError:
            return False
        return True

    def start(self, timeout: float = 10.0) -> Self:
        """Connect now rather than with the first event, for programs that want to know.

        Raises:
            BrokerUnavailable: no broker that knows the topic within `timeout` seconds.
            EmitterClosed: it had been closed.
        """
        if self._closed:
            raise EmitterClosed
        courier = self._running()
        if not courier.connected.wait(timeout):
            raise BrokerUnavailable(self.bootstrap, courier.trouble)
        return self

    def close(self, timeout: float | None = 10.0) -> bool:
        """Accept no more, and wait until Kafka has what was accepted.

        Returns:
            False if something was lost because it could not be sent in time; how
            many events is counted in `stats().lost` and logged.
        """
        self._buffer.close()
        with self._lock:
            again, self._closed = self._closed, True
        if again:
            return self._buffer.lost == 0
        self.flush(timeout)
        return self._end()

    async def aclose(self, timeout: float | None = 10.0) -> bool:
        """Do what `close` does without holding up the event loop."""
        return await asyncio.to_thread(self.close, timeout)

    def stats(self) -> EmitterStats:
        """Return how many events went which way."""
        buffer = self._buffer
        return EmitterStats(
            accepted=buffer.accepted,
            delivered=buffer.delivered,
            lost=buffer.lost,
            refused=self._refusals.counts(),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def _accept(self, delivery: Delivery) -> None:
        for event in delivery.events:
            if _is_too_large(event):
                self._refusals.add("too_large", len(delivery.events))
                raise EventTooLarge(len(EncodedEvent.of(event).value), MAX_EVENT_BYTES)
        reason = self._buffer.put_all(delivery)
        if reason is None:
            return
        self._refusals.add(reason, len(delivery.events))
        refused: EventRefused = EmitterClosed()
        if reason == "buffer_full":
            refused = BufferFull(self._max_pending)
        raise refused

    def _barrier(self) -> Delivery | None:
        with self._lock:
            if self._courier is None or not self._courier.alive:
                return None
        barrier = Delivery()
        self._buffer.put_barrier(barrier)
        self._courier.hurry()
        return barrier

    def _wake(self) -> None:
        try:
            self._running().wake()
        except RuntimeError:  # no further thread can be started just now
            log.exception("usage events wait: their thread could not be started")
            self._buffer.rest()

    def _running(self) -> Courier:
        with self._lock:
            if self._courier is None:
                courier = Courier(self._plan, self._buffer)
                courier.start()
                self._courier = courier
            return self._courier

    def _end(self) -> bool:
        if self._courier is not None:
            self._courier.stop()
        left = self._buffer.pending
        if left:
            self._buffer.settle(lost=left)
            log.error(
                "%d usage events lost: no Kafka at %s", left, self._plan.bootstrap
            )
        exits.forget(self)
        return self._buffer.lost == 0


def _is_too_large(event: UsageEvent | EncodedEvent) -> bool:
    if isinstance(event, EncodedEvent):
        return len(event.value) > MAX_EVENT_BYTES
    return unfit(event) == "too_large"
