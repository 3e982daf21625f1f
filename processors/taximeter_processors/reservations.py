"""Requests for reservations, decided one after the other.

Pure. A request is granted if what is spent, what is held and what it asks for are
together not above the limit, in dollars, tokens or calls. What is held counts against
whatever period is the current one, for a call that was begun in one may be charged to
the next. Nothing else decides about a subject's budgets, so the order of its partition
is the order of the decisions, and there is no moment between looking and taking.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from taximeter_processors.holds import REMEMBERED_SECONDS, Decision, Holds, Place
from taximeter_processors.windows import window_start
from taximeter_schemas.budgets import Unit
from taximeter_schemas.money import pico_from_usd, usd_from_pico
from taximeter_schemas.reservations import Outcome, ReservationAnswered
from taximeter_schemas.reservations import ReservationRequested as Requested
from taximeter_schemas.subjects import Subject

__all__ = ["Reservations", "ReservationsFlush", "Standing"]


class Standing(NamedTuple):
    """How a subject stands in the current period of a budget; USD in pico-dollars."""

    spent: int
    limit: int
    unit: Unit = "usd"


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

    def held(self, budget_id: str, subject: Subject, unit: Unit) -> int:
        """Return how much of a budget is held for a subject now, in a unit."""
        return self._holds.held(budget_id, subject, unit)

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
        known = standing or Standing(0, 0)
        held = self._holds.held(request.budget_id, request.subject, known.unit)
        asked = _asked(request, known.unit)
        outcome = _outcome(asked, held, standing)
        granted = outcome == "granted"
        amount = asked or 0
        seconds = request.expires_after_seconds if granted else REMEMBERED_SECONDS
        until = now + timedelta(seconds=seconds)
        answer = ReservationAnswered(
            **request.model_dump(include=_REPEATED),
            outcome=outcome,
            **_amounts(known, amount, held + amount if granted else held),
            answered_at=now,
            expires_at=until if granted else None,
        )
        return Decision(
            granted,
            until.timestamp(),
            str(amount),
            request.subject,
            window_start(now),
            answer.model_dump_json(),
            known.unit,
        )


_REPEATED = {"reservation_id", "budget_id", "subject_kind", "subject_id"}


def _asked(request: Requested, unit: Unit) -> int | None:
    """Return what a call asks for in a unit; None where it does not say."""
    if unit == "calls":
        return 1
    if unit == "tokens":
        return request.estimate_tokens
    usd = request.estimate_usd
    return None if usd is None else pico_from_usd(usd)


def _outcome(asked: int | None, held: int, standing: Standing | None) -> Outcome:
    """Decide about so much, or about a call of which nobody knows how much.

    >>> _outcome(2, 3, Standing(spent=5, limit=10))
    'granted'
    >>> _outcome(3, 3, Standing(spent=5, limit=10))
    'denied'
    >>> _outcome(0, 3, Standing(spent=50, limit=10))
    'granted'
    >>> [_outcome(None, held, Standing(spent=5, limit=10)) for held in (4, 5)]
    ['granted', 'denied']
    """
    if asked == 0:
        return "granted"  # a free model is never blocked
    if standing is None:
        return "unknown"
    taken = standing.spent + held
    fits = taken + asked <= standing.limit if asked else taken < standing.limit
    return "granted" if fits else "denied"


def _amounts(standing: Standing, estimate: int, reserved: int) -> dict[str, Any]:
    """Return the amounts of an answer, by the names that they have in a unit."""
    unit = standing.unit
    found = {
        "estimate": estimate,
        "spent": max(0, standing.spent) if unit != "usd" else standing.spent,
        "reserved": reserved,
        "limit": standing.limit,
    }
    if unit != "usd":
        return {"unit": unit, **found}
    return {f"{name}_usd": usd_from_pico(pico) for name, pico in found.items()}
