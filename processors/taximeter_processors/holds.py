"""What is promised to calls that have not been charged yet, in a limit's unit.

Pure. What was decided about a request is a row, written in the transaction that makes
the answer visible: whoever owns the partition next knows of every hold that anybody
was told of. It ends once, when the call is charged, when it is released, or when its
time is over, and the row stays for a while after that, so that a request which comes
again is answered as it was the first time and holds nothing anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from heapq import heappop, heappush
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from taximeter_schemas.budgets import Unit
from taximeter_schemas.subjects import Subject

__all__ = ["HOLDS_PREFIX", "REMEMBERED_SECONDS", "Decision", "Holds", "Place"]

HOLDS_PREFIX: Final = b"hold:"

REMEMBERED_SECONDS: Final = 600
"""How long what is over is remembered: longer than anybody repeats a request."""


class Place(NamedTuple):
    """Where something is held: a budget's subject, and the window in which it began."""

    budget_id: str
    subject: Subject
    window: int


class Decision(msgspec.Struct, array_like=True):
    """What was decided about one request.

    It holds `amount` until `until` (epoch seconds), or nothing, and is forgotten then.
    `answer` is what was answered. The amount is in `unit`, dollars in pico-dollars.
    """

    holds: bool
    until: float
    amount: str
    subject: tuple[str, str]
    window: int
    answer: str
    unit: Unit = "usd"


class _Name(NamedTuple):
    reservation_id: UUID
    budget_id: str

    @property
    def key(self) -> bytes:
        return HOLDS_PREFIX + f"{self.reservation_id}:{self.budget_id}".encode()


_decision: Final = msgspec.json.Decoder(Decision)
_encode: Final = msgspec.json.Encoder().encode


class Holds:
    """What is held in the budgets of one partition's subjects.

    Args:
        stored: rows as `changed` returned them, of whoever owned the partition before.
    """

    def __init__(self, stored: Iterable[tuple[bytes, bytes]] = ()) -> None:
        self._decisions: dict[UUID, dict[str, Decision]] = {}
        self._held = Counter[tuple[str, Subject, Unit]]()
        self._ends: list[tuple[float, _Name]] = []
        self._changed: set[_Name] = set()
        self._moved: set[Place] = set()
        for key, row in stored:
            self._put(_name(key), _decision.decode(row))

    def __len__(self) -> int:
        """Return how many decisions are remembered."""
        return sum(map(len, self._decisions.values()))

    def held(self, budget_id: str, subject: Subject, unit: Unit) -> int:
        """Return how much of a budget is held for a subject now, in a unit.

        What was held when its limit was in another one counts for nothing.
        """
        return self._held[budget_id, subject, unit]

    def decided(self, reservation_id: UUID, budget_id: str) -> Decision | None:
        """Return what was decided about a request, None if nothing was."""
        return self._decisions.get(reservation_id, {}).get(budget_id)

    def decide(self, reservation_id: UUID, budget_id: str, decision: Decision) -> None:
        """Take note of a decision, the first about this request."""
        name = _Name(reservation_id, budget_id)
        self._put(name, decision)
        self._changed.add(name)

    def end(self, reservation_id: UUID, now: datetime) -> None:
        """Hold nothing for a call any more; unknown and ended ones change nothing."""
        for budget_id, decision in self._decisions.get(reservation_id, {}).items():
            if decision.holds:
                self._let_go(_Name(reservation_id, budget_id), decision, now)

    def pass_time(self, now: datetime) -> None:
        """End what has been held for long enough, forget what is long over."""
        while self.is_due(now):
            until, name = heappop(self._ends)
            decision = self.decided(*name)
            if decision is None or decision.until != until:
                continue  # it ended earlier
            if decision.holds:
                self._let_go(name, decision, now)
            else:
                self._forget(name)

    def is_due(self, now: datetime) -> bool:
        """Tell whether `pass_time` has anything to do."""
        return bool(self._ends) and self._ends[0][0] <= now.timestamp()

    @property
    def has_changed(self) -> bool:
        """Tell whether a row changed since `changed` was asked last."""
        return bool(self._changed)

    def changed(self) -> list[tuple[bytes, bytes | None]]:
        """Return the rows that changed since the last time; None where one is gone."""
        names, self._changed = self._changed, set()
        return [(name.key, self._row(name)) for name in names]

    def moved(self) -> set[Place]:
        """Return where more or less is held than when this was asked last."""
        moved, self._moved = self._moved, set()
        return moved

    def _row(self, name: _Name) -> bytes | None:
        decision = self.decided(*name)
        return None if decision is None else _encode(decision)

    def _put(self, name: _Name, decision: Decision) -> None:
        self._decisions.setdefault(name.reservation_id, {})[name.budget_id] = decision
        heappush(self._ends, (decision.until, name))
        if decision.holds:
            self._move(name, decision, int(decision.amount))

    def _let_go(self, name: _Name, decision: Decision, now: datetime) -> None:
        self._move(name, decision, -int(decision.amount))
        decision.holds = False
        decision.until = now.timestamp() + REMEMBERED_SECONDS
        heappush(self._ends, (decision.until, name))
        self._changed.add(name)

    def _forget(self, name: _Name) -> None:
        decisions = self._decisions[name.reservation_id]
        del decisions[name.budget_id]
        if not decisions:
            del self._decisions[name.reservation_id]
        self._changed.add(name)

    def _move(self, name: _Name, decision: Decision, amount: int) -> None:
        subject = Subject(*decision.subject)
        where = name.budget_id, subject, decision.unit
        self._held[where] += amount
        if not self._held[where]:
            del self._held[where]
        self._moved.add(Place(name.budget_id, subject, decision.window))


def _name(key: bytes) -> _Name:
    """Read the key of a row back.

    >>> _name(_Name(UUID(int=1), "a:b").key).budget_id
    'a:b'
    """
    reservation, _, budget_id = key[len(HOLDS_PREFIX) :].decode().partition(":")
    return _Name(UUID(reservation), budget_id)
