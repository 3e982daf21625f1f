"""What the routers work with, made once when the API starts."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

from fastapi import Request
from prometheus_client import CollectorRegistry

from taximeter.api.room import Room
from taximeter.otlp.intake import Intake
from taximeter.reading import open_ledger
from taximeter.state import DataDir
from taximeter_producers.kafka import KafkaEmitter
from taximeter_producers.reservations import Reservations
from taximeter_schemas.clock import Clock
from taximeter_schemas.topics import Topics
from taximeter_sinks.queries import Ledger

__all__ = ["LedgerDesk", "Services", "services"]

T = TypeVar("T")

_PATIENCE_SECONDS: Final = 1.0


class LedgerDesk:
    """Answers questions to the ledger off the event loop, and keeps it open between.

    A ledger that went away is opened anew: the sink may have been started or stopped
    since the last question.
    """

    def __init__(self, data: DataDir) -> None:
        self._data = data
        self._ledger: Ledger | None = None
        self._lock = threading.Lock()

    async def ask(self, question: Callable[[Ledger], T]) -> T:
        """Return the answer to a question.

        Raises:
            LedgerError: the ledger cannot be read, or the question was wrong.
        """
        return await asyncio.to_thread(self._answer, question)

    def close(self) -> None:
        """Let go of the ledger."""
        with self._lock:
            ledger, self._ledger = self._ledger, None
        if ledger is not None:
            ledger.close()

    def _answer(self, question: Callable[[Ledger], T]) -> T:
        return question(self._opened())

    def _opened(self) -> Ledger:
        with self._lock:
            if self._ledger is None:
                self._ledger = open_ledger(self._data, _PATIENCE_SECONDS)
            return self._ledger


@dataclass(frozen=True)
class Services:
    """One API process's ways to Kafka, to the ledger and to the time."""

    bootstrap: str
    topics: Topics
    emitter: KafkaEmitter
    desk: LedgerDesk
    clock: Clock
    room: Room
    metrics: CollectorRegistry
    reservations: Reservations
    refused: Counter[str]
    spans: Intake
    data: DataDir

    def facts(self) -> dict[str, Any]:
        """Return how the API stands, as it stands in its state file."""
        stats = self.emitter.stats()
        return {
            "requests": self.room.requests,
            "emitter": {
                "accepted": stats.accepted,
                "delivered": stats.delivered,
                "lost": stats.lost,
                "refused": dict(stats.refused),
                "pending_events": stats.pending,
                "pending_bytes": self.room.pending_bytes,
                "spool_events": stats.spooled,
                "spool_bytes": stats.spool_bytes,
            },
        }


def services(request: Request) -> Services:
    """Return the services of the application that was asked."""
    return cast("Services", request.app.state.services)
