"""Requests for reservations, decided one after the other.

Pure. A request is granted if what is spent, what is held and what it asks for are
together not above the limit. What is held counts against whatever period is the
current one, for a call that was begun in one may be charged to the next. Nothing else
decides about a subject's money, so the order of its partition is the order of the
decisions, and there is no moment between looking and taking.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from taximeter_processors.holds import REMEMBERED_SECONDS, Decision, Holds, Place
from taximeter_processors.windows import window_start
from taximeter_schemas.money import pico_from_usd, usd_from_pico
from taximeter_schemas.reservations import Outcome, ReservationAnswered
from taximeter_schemas.reservations import ReservationRequested as Requested
from taximeter_schemas.subjects import Subject

__all__ = ["Reservations", "ReservationsFlush", "Standing"]


class Standing(NamedTuple):
    """How a subject stands in the current period of a budget."""

    spent_pico: int
    limit_pico: int


class ReservationsFlush(NamedTuple):
    """What a flush writes: answers by their keys, rows, and whose status changed."""

    answers: list[tuple[bytes, bytes]]
    rows: list[tuple[bytes, bytes | None]]
    moved: set[Place]


class Reservations:
    """What is asked for, held and answered in one partition of `spend`.

    Args:
        stored: rows as they were flushed by whoever owned the partition before.
    """

    def __init__(self, stored: Iterable[tuple[bytes, bytes]] = ()) -> None:
        self._holds = Holds(stored)
        self._answers: list[tuple[bytes, bytes]] = []

    def ask(self, request: Requested, standing: Standing | None, now: datetime) -> None:
        """Decide about a request; one that was decided is answered as it was.

        Args:
            request: who asks for how much.
            standing: how the subject stands; None if there is no such budget.
            now: by the clock of the partition's owner, as all times here.
        """
        self._holds.pass_time(now)
        decided = self._holds.decided(request.reservation_id, request.budget_id)
        if decided is None:
            decided = self._decision(request, standing, now)
            self._holds.decide(request.reservation_id, request.budget_id, decided)
        key = str(request.reservation_id).encode()
        self._answers.append((key, decided.answer.encode()))

    def end(self, reservation_ids: Iterable[UUID], now: datetime) -> None:
        """Hold nothing for these any more: they are charged, or not needed."""
        for reservation_id in reservation_ids:
            self._holds.end(reservation_id, now)

    def held(self, budget_id: str, subject: Subject) -> int:
        """Return how many pico-dollars of a budget are held for a subject now."""
        return self._holds.held(budget_id, subject)

    @property
    def is_awaited(self) -> bool:
        """Tell whether somebody waits for what the next flush says."""
        return bool(self._answers)

    def has_changed(self, now: datetime) -> bool:
        """Tell whether a flush would say anything."""
        return self.is_awaited or self._holds.has_changed or self._holds.is_due(now)

    def flush(self, now: datetime) -> ReservationsFlush:
        """Return what is to be written; it is lost unless that happens."""
        self._holds.pass_time(now)
        answers, self._answers = self._answers, []
        return ReservationsFlush(answers, self._holds.changed(), self._holds.moved())

    def _decision(
        self, request: Requested, standing: Standing | None, now: datetime
    ) -> Decision:
        held = self._holds.held(request.budget_id, request.subject)
        asked = pico_from_usd(request.estimate_usd)
        outcome = _outcome(asked, held, standing)
        granted = outcome == "granted"
        seconds = request.expires_after_seconds if granted else REMEMBERED_SECONDS
        until = now + timedelta(seconds=seconds)
        answer = ReservationAnswered(
            **request.model_dump(include=_REPEATED),
            outcome=outcome,
            spent_usd=usd_from_pico(standing.spent_pico if standing else 0),
            reserved_usd=usd_from_pico(held + asked if granted else held),
            limit_usd=usd_from_pico(standing.limit_pico if standing else 0),
            answered_at=now,
            expires_at=until if granted else None,
        )
        return Decision(
            granted,
            until.timestamp(),
            str(asked),
            request.subject,
            window_start(now),
            answer.model_dump_json(),
        )


_REPEATED = {
    "reservation_id",
    "budget_id",
    "subject_kind",
    "subject_id",
    "estimate_usd",
}


def _outcome(asked: int, held: int, standing: Standing | None) -> Outcome:
    """Decide about so many pico-dollars.

    >>> _outcome(2, 3, Standing(spent_pico=5, limit_pico=10))
    'granted'
    >>> _outcome(3, 3, Standing(spent_pico=5, limit_pico=10))
    'denied'
    >>> _outcome(0, 3, Standing(spent_pico=50, limit_pico=10))
    'granted'
    """
    if not asked:
        return "granted"  # a free model is never blocked
    if standing is None:
        return "unknown"
    fits = standing.spent_pico + held + asked <= standing.limit_pico
    return "granted" if fits else "denied"
