"""The emitter that programs use: takes events at once and never makes them wait.

`KafkaEmitter` is the caller's side; `taximeter_producers.courier` is the other one,
a thread that sees each accepted event into Kafka.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Final, Literal, Self

from taximeter_producers import exits
from taximeter_producers.buffer import Buffer
from taximeter_producers.courier import Compression, Courier, Plan
from taximeter_producers.emitter import (
    EmitterStats,
    RefusalReason,
    Refusals,
    unfit,
)
from taximeter_producers.overflow import Overflow
from taximeter_producers.packing import Delivery, EncodedEvent
from taximeter_producers.spool.level import SpoolPlan
from taximeter_producers.spool.spool import Spool
from taximeter_schemas.errors import (
    BrokerUnavailable,
    BufferFull,
    ConfigurationError,
    EmitterClosed,
    EventRefused,
    EventTooLarge,
)
from taximeter_schemas.records import MAX_EVENT_BYTES
from taximeter_schemas.topics import Topics
from taximeter_schemas.usage import EmittedEvent

__all__ = ["Compression", "Durability", "KafkaEmitter"]

log = logging.getLogger(__name__)

Durability = Literal["memory", "spool"]
"""Where an event is when `emit` has returned true."""

_PATIENCE_SECONDS: Final = 1.0
_SAVE_SECONDS: Final = 5.0
_LOOK_SECONDS: Final = 0.1


class KafkaEmitter:
    """Emits usage events into Kafka without ever making the caller wait.

    Making one needs no broker; events wait in memory, up to `max_pending`, until
    there is one, and with a `spool_dir` also on disk (docs/emitting.md). Usable from
    any thread, from sync and from async code, and after a fork, where the child
    starts with nothing of its parent's.

    Args:
        bootstrap: `host:port`, or several of them separated by commas.
        topics: names of the topics; the number of partitions is asked of Kafka.
        linger_ms: how long events are gathered before they are packed and sent.
        max_record_events: at most this many events are packed into one record.
        max_record_bytes: at most this many bytes, uncompressed.
        max_pending: events in memory, accepted and not yet acknowledged; beyond it
            `emit` refuses. One that waits takes about 1 kB.
        client_id: what the broker's logs and quotas call this program.
        compression: of batches on the wire and in Kafka.
        flush_on_sigterm: see `taximeter_producers.exits.watch`.
        durability: "spool" puts every event on disk before `emit` returns; "memory"
            only those that Kafka does not take in time.
        spool_dir: a directory on a local disk, which several processes of a service
            may share and which should outlive them.
        spool_max_bytes: what may wait in it; beyond that the newest are refused.
        spool_max_age: what has waited longer is given up as lost; None for never.

    Raises:
        ConfigurationError: durability "spool" without a `spool_dir`.
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
        durability: Durability = "memory",
        spool_dir: str | Path | None = None,
        spool_max_bytes: int = 512 * 1024 * 1024,
        spool_max_age: timedelta | None = None,
    ) -> None:
        if durability == "spool" and spool_dir is None:
            raise ConfigurationError('durability "spool" needs a spool_dir')
        topic = (topics or Topics()).usage.name
        self.bootstrap = bootstrap
        self.linger_ms = linger_ms
        self._plan = Plan(
            bootstrap=bootstrap,
            topic=topic,
            linger_seconds=linger_ms / 1000,
            max_record_events=max_record_events,
            max_record_bytes=max_record_bytes,
            client_id=client_id,
            compression=compression,
        )
        self._max_pending = max_pending
        self.durability: Durability = durability
        self._spool_plan: SpoolPlan | None = None
        if spool_dir is not None:
            # Each topic by itself: what is left behind must not go anywhere else.
            place = Path(spool_dir).expanduser() / topic
            self._spool_plan = SpoolPlan(place, spool_max_bytes, spool_max_age)
        self._begin()
        exits.watch(self, sigterm=flush_on_sigterm)
        if self._spool is not None and self._spool.used_before:
            self._wake()  # somebody's events may wait there
        if self._spool is not None and durability == "spool":
            self._spool.open()

    def _begin(self) -> None:
        self._lock = threading.RLock()
        self._closed = False
        self._courier: Courier | None = None
        self._buffer = Buffer(self._max_pending, self._wake)
        self._refusals = Refusals()
        self._put: Callable[[EmittedEvent], RefusalReason | None] = self._buffer.put
        self._spool: Spool | None = None
        self._overflow: Overflow | None = None
        if self._spool_plan is not None:
            self._spool = Spool(self._spool_plan, self._lose_stored)
            patience = _PATIENCE_SECONDS + self._plan.linger_seconds
            self._overflow = Overflow(self._buffer, self._spool, patience)
            if self.durability == "spool":
                self._put = self._store

    def before_fork(self) -> None:
        """Hold still; a child that is forked while SQLite works could never use it."""
        if self._spool is not None:
            self._spool.pause()

    def after_fork(self) -> None:
        """Go on, in the parent."""
        if self._spool is not None:
            self._spool.resume()

    def start_over(self) -> None:
        """Begin with an empty buffer and no thread; what a forked child needs."""
        if self._spool is not None:
            self._spool.abandon()
        self._begin()

    def emit(self, event: EmittedEvent) -> bool:
        """Take an event; False means that it was refused, counted and logged.

        It takes microseconds, never waits for Kafka and never raises. What it took
        is sent again until Kafka has it.
        """
        try:
            reason = unfit(event) or self._put(event)
        except Exception:
            log.exception("an event could not be taken")
            reason = "invalid"
        if reason is None:
            return True
        self._refusals.add(reason)
        return False

    async def deliver(self, events: Iterable[EmittedEvent | EncodedEvent]) -> None:
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

        With a spool, what could not be sent in time is left on disk, for whoever
        uses the directory next.

        Returns:
            False if something was lost because it could not be sent in time; how
            many events is counted in `stats().lost` and logged.
        """
        self._buffer.close()
        with self._lock:
            again, self._closed = self._closed, True
        if again:
            return self._buffer.lost == 0
        self._flush_unless_vain(timeout)
        return self._end()

    def save(self, timeout: float | None = None) -> bool:
        """Get everything out of memory: into Kafka in time, or else onto disk.

        Returns:
            False if neither was possible; nothing is lost by that, sending goes on.
        """
        if self._flush_unless_vain(timeout):
            return True
        if self._courier is not None:
            self._courier.save(_SAVE_SECONDS)
        return self._buffer.held == 0

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
            recovered=self._spool.recovered if self._spool else 0,
            spooled=self._spool.waiting if self._spool else 0,
            spool_bytes=self._spool.waiting_bytes if self._spool else 0,
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
        refused: EventRefused = BufferFull(self._max_pending)
        if reason == "closed":
            refused = EmitterClosed()
        raise refused

    def _store(self, event: EmittedEvent) -> RefusalReason | None:
        """Accept one event by having it on disk, or return why not."""
        if self._closed or self._spool is None:
            return "closed"
        reason = self._spool.put((EncodedEvent.of(event).value,)).reason
        if reason is None:
            self._buffer.count_stored(1)
        return reason

    def _lose_stored(self, events: int) -> None:
        self._buffer.settle(lost=events, on_disk=-events)

    def _flush_unless_vain(self, timeout: float | None) -> bool:
        """Flush, but with a disk do not wait for a Kafka that is away."""
        barrier = self._barrier() if self._spool else None
        if barrier is None or self._courier is None:
            return self.flush(timeout)
        deadline = monotonic() + (float("inf") if timeout is None else timeout)
        while not self._courier.away and monotonic() < deadline:
            with suppress(TimeoutError):
                barrier.future.result(_LOOK_SECONDS)
                return True
        return False

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
                courier = Courier(self._plan, self._buffer, self._overflow)
                courier.start()
                self._courier = courier
            return self._courier

    def _end(self) -> bool:
        left: list[bytes] = []
        if self._courier is not None:
            self._courier.stop()
            left = self._courier.left()
        lost = self._buffer.pending
        if self._overflow is not None:
            lost = self._overflow.move_rest(left)
            self._overflow.spool.close()
        if lost:
            self._buffer.settle(lost=lost)
            log.error(
                "%d usage events lost: no Kafka at %s", lost, self._plan.bootstrap
            )
        exits.forget(self)
        return self._buffer.lost == 0


def _is_too_large(event: EmittedEvent | EncodedEvent) -> bool:
    if isinstance(event, EncodedEvent):
        return len(event.value) > MAX_EVENT_BYTES
    return unfit(event) == "too_large"
