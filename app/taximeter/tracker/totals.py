"""What the tracked calls add up to: exact, and from any number of threads."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

from taximeter.tracker.calls import TrackedCall, is_idle_failure, priced_call
from taximeter_processors.pricing import PriceBook
from taximeter_schemas.money import usd_from_pico
from taximeter_schemas.usage import EmittedEvent

__all__ = ["ALL", "Standing", "Subject", "Totals"]

Subject = tuple[str, ...]
"""Whom spend is counted for: ("user", "ada"), ("user_day", "ada", "2026-11-22")."""

ALL: Subject = ("all",)


@dataclass(frozen=True)
class Standing:
    """How things stand at one moment.

    `unpriced` is by "provider/model"; `tokens` are those sent and made, by model.
    """

    requests: int
    failed: int
    unpriced: dict[str, int]
    tokens: dict[str, tuple[int, int]]
    pico: dict[Subject, int]

    def spent(self, subject: Subject) -> Decimal:
        """Return what a subject has spent."""
        return usd_from_pico(self.pico.get(subject, 0))

    def by(self, kind: str) -> dict[str, Decimal]:
        """Return the spend of each subject of a kind, the largest first."""
        of_kind = [(key[1], n) for key, n in self.pico.items() if key[0] == kind]
        ordered = sorted(of_kind, key=lambda row: (-row[1], row[0]))
        return {name: usd_from_pico(pico) for name, pico in ordered}


class Totals:
    """Adds each event up once: in whole pico-dollars, by its id.

    Args:
        book: the prices.
        zone: whose days a user's days are.
    """

    def __init__(self, book: PriceBook, zone: ZoneInfo) -> None:
        self._book = book
        self._zone = zone
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Forget every call."""
        with self._lock:
            self._seen: set[UUID] = set()
            self._calls: list[TrackedCall] = []
            self._requests = self._failed = 0
            self._tokens: dict[str, tuple[int, int]] = {}
            self._unpriced: Counter[str] = Counter()
            self._pico: Counter[Subject] = Counter()

    def add(self, event: EmittedEvent) -> TrackedCall | None:
        """Count an event; None if it had been counted before."""
        call, cost_pico = priced_call(event, self._book)
        with self._lock:
            if event.event_id in self._seen:
                return None
            self._seen.add(event.event_id)
            if is_idle_failure(event):
                self._failed += 1
            else:
                self._count(call, cost_pico)
        return call

    def standing(self) -> Standing:
        """Return how things stand, as of one moment."""
        with self._lock:
            return Standing(
                requests=self._requests,
                failed=self._failed,
                unpriced=dict(self._unpriced),
                tokens=dict(self._tokens),
                pico=dict(self._pico),
            )

    def calls(self) -> list[TrackedCall]:
        """Return each call, in the order in which they were told."""
        with self._lock:
            return [call.copy() for call in self._calls]

    def spent(self, subject: Subject) -> Decimal:
        """Return what a subject has spent."""
        with self._lock:
            return usd_from_pico(self._pico.get(subject, 0))

    def _count(self, call: TrackedCall, cost_pico: int | None) -> None:
        self._calls.append(call)
        self._requests += call["status"] != "corrected"
        sent, made = self._tokens.get(call["model"], (0, 0))
        self._tokens[call["model"]] = (
            sent + call["input_tokens"],
            made + call["output_tokens"],
        )
        if cost_pico is None:
            self._unpriced[f"{call['provider']}/{call['model']}"] += 1
            return
        for subject in self._subjects(call):
            self._pico[subject] += cost_pico

    def _subjects(self, call: TrackedCall) -> list[Subject]:
        day = call["occurred_at"].astimezone(self._zone).date().isoformat()
        return [
            ALL,
            ("model", call["model"]),
            ("user", call["user_id"]),
            ("user_day", call["user_id"], day),
            ("project", call["project_id"]),
            ("session", call["session_id"]),
        ]
