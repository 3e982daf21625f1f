"""Sends the demo's traffic: as fast as it goes, and its last part at a walking pace.

The fast part shows how many events a second the whole way takes; in the slow one,
where no event waits for others, the time from emit to SQL is measured.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Final
from uuid import UUID

from taximeter.demo.books import Books
from taximeter_producers.kafka import KafkaEmitter
from taximeter_schemas.usage import UsageRecorded

__all__ = ["Latency", "Replay", "paced_calls"]

_MOST_PENDING: Final = 20_000
_BREATH: Final = 100
_PAUSE_SECONDS: Final = 0.05
_PACE_SECONDS: Final = 0.02
_MOST_PACED: Final = 100

Sends = Iterator[tuple[UsageRecorded, bool]]


def paced_calls(calls: int) -> int:
    """Return how many of the last calls are sent one by one, to be timed.

    >>> paced_calls(19_366), paced_calls(500), paced_calls(3)
    (100, 50, 0)
    """
    return min(_MOST_PACED, calls // 10)


@dataclass
class Latency:
    """How long single events took from `emit` until a query returned their row."""

    milliseconds: list[float] = field(default_factory=list[float])

    def percentile(self, percent: int) -> float | None:
        """Return what this share of the events did not exceed, None without any.

        >>> Latency([30.0, 10.0, 20.0]).percentile(50)
        20.0
        >>> Latency().percentile(50)
        """
        found = self.milliseconds
        if len(found) < 2:  # noqa: PLR2004 - quantiles need two
            return found[0] if found else None
        return quantiles(found, n=100, method="inclusive")[percent - 1]


class Replay:
    """One pass over the traffic.

    `sent` counts every event that was emitted, those sent twice twice; `calls` only
    those that are new.
    """

    def __init__(
        self, emitter: KafkaEmitter, sends: Iterable[tuple[UsageRecorded, bool]]
    ) -> None:
        self._emitter = emitter
        self._sends = iter(sends)
        self.sent = 0
        self.calls = 0

    async def fast(self, calls: int) -> None:
        """Send until this many calls are out, waiting only while the buffer is full."""
        while self.calls < calls and (event := self._next()) is not None:
            self._emit(event)
            if self.sent % _BREATH == 0:
                await asyncio.sleep(0)
                while self._emitter.stats().pending > _MOST_PENDING:
                    await asyncio.sleep(_PAUSE_SECONDS)

    async def paced(self, books: Books) -> Latency:
        """Send the rest, one by one, and return how long each took to reach SQL."""
        latency = Latency()
        waiting: dict[UUID, float] = {}
        ended = asyncio.Event()
        looking = asyncio.create_task(_look(books, waiting, latency, ended))
        try:
            before = self.calls
            while (event := self._next()) is not None:
                if self.calls > before:
                    waiting[event.event_id] = time.monotonic()
                self._emit(event)
                if self.calls > before:
                    await asyncio.sleep(_PACE_SECONDS)
                before = self.calls
            ended.set()
            await looking
        finally:
            looking.cancel()
        return latency

    def _next(self) -> UsageRecorded | None:
        event, again = next(self._sends, (None, False))
        self.calls += event is not None and not again
        return event

    def _emit(self, event: UsageRecorded) -> None:
        if not self._emitter.emit(event):
            raise RuntimeError("the emitter refused an event of the demo's own")
        self.sent += 1


async def _look(
    books: Books, waiting: dict[UUID, float], latency: Latency, ended: asyncio.Event
) -> None:
    while waiting or not ended.is_set():
        for event_id in await books.present(list(waiting)) if waiting else ():
            took = time.monotonic() - waiting.pop(event_id)
            latency.milliseconds.append(took * 1000)
        await asyncio.sleep(_PAUSE_SECONDS)
