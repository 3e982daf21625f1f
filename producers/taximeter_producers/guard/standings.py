"""How subjects stand in the budgets' periods of now, by what was said last. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final, NamedTuple

from taximeter_producers.guard.budget_index import Covering
from taximeter_schemas.budgets import BudgetStatus, Unit
from taximeter_schemas.money import pico_from_usd
from taximeter_schemas.subjects import Subject

__all__ = ["Standing", "Standings"]

# How many subjects there are before those whose periods are over are let go.
_MANY: Final = 10_000

_Slot = tuple[str, tuple[str, ...]]


class Standing(NamedTuple):
    """A `BudgetStatus` in short: there may be a hundred thousand of them.

    One that `rolls` is about the last so much time, and not about the calendar. What
    is reserved is as good as spent.
    """

    key: bytes
    kind: str
    period: str
    rolls: bool
    start: datetime | None
    end: datetime | None
    used_pico: int
    tokens: int
    calls: int
    limit: int | None
    limit_unit: Unit | None

    def used(self, unit: Unit) -> int:
        """Return what stands against a limit."""
        if unit == "usd":
            return self.used_pico
        return self.tokens if unit == "tokens" else self.calls

    def is_over(self, now: datetime) -> bool:
        """Tell whether nothing of it counts any more."""
        if self.end is None:
            return False
        if self.rolls and self.start is not None:
            # All that it tells of has rolled out when its length has passed again.
            return now >= self.end + (self.end - self.start)
        return now >= self.end

    def counts(self, now: datetime) -> bool:
        """Tell whether its period is the one of now."""
        begun = self.rolls or self.start is None or self.start <= now
        return begun and not self.is_over(now)


class Standings:
    """The statuses that may still count, by budget and subject.

    One thread takes while others ask: what an entry holds is replaced, not changed.
    """

    def __init__(self) -> None:
        self._slots: dict[_Slot, tuple[Standing, ...]] = {}
        self._where: dict[bytes, _Slot] = {}
        self._let_go_at = _MANY

    def __len__(self) -> int:
        return len(self._where)

    def take(self, key: bytes, status: BudgetStatus, now: datetime) -> None:
        """Take a status in; it replaces the one with the same key."""
        standing = _standing(key, status)
        if standing.is_over(now):
            self.forget(key)
            return
        slot = status.budget_id, Subject(status.subject_kind, status.subject_id).values
        before = self._slots.get(slot, ())
        others = [s for s in before if s.key != key and not s.is_over(now)]
        self._slots[slot] = (standing, *others)
        self._where[key] = slot
        if len(self._where) > self._let_go_at:
            self._let_go(now)

    def replace(
        self, statuses: Iterable[tuple[bytes, BudgetStatus]], now: datetime
    ) -> None:
        """Know these, by their keys, and nothing else."""
        fresh = Standings()
        for key, status in statuses:
            fresh.take(key, status, now)
        self._slots, self._where = fresh._slots, fresh._where

    def forget(self, key: bytes) -> None:
        """Take back what was said under a key."""
        slot = self._where.pop(key, None)
        if slot is None:
            return
        left = tuple(s for s in self._slots.get(slot, ()) if s.key != key)
        if left:
            self._slots[slot] = left
        else:
            self._slots.pop(slot, None)

    def of(self, covering: Covering, now: datetime) -> Standing | None:
        """Return how a subject stands now; None where nobody said: it spent nothing."""
        rule = covering.rule
        for standing in self._slots.get((rule.budget_id, covering.values), ()):
            same = standing.kind == rule.kind and standing.period == rule.period
            if same and standing.counts(now):
                return standing
        return None

    def _let_go(self, now: datetime) -> None:
        kept = {
            slot: tuple(s for s in standings if not s.is_over(now))
            for slot, standings in self._slots.items()
        }
        self._slots = {slot: standings for slot, standings in kept.items() if standings}
        self._where = {s.key: slot for slot, some in self._slots.items() for s in some}
        self._let_go_at = max(_MANY, 2 * len(self._where))


def _standing(key: bytes, status: BudgetStatus) -> Standing:
    return Standing(
        key,
        status.subject_kind,
        status.period,
        status.period.startswith("rolling_"),
        status.period_start,
        status.period_end,
        pico_from_usd(status.spent_usd + status.reserved_usd),
        status.tokens + status.reserved_tokens,
        status.calls + status.reserved_calls,
        *_limit(status),
    )


def _limit(status: BudgetStatus) -> tuple[int | None, Unit | None]:
    if status.limit_usd is not None:
        return pico_from_usd(status.limit_usd), "usd"
    if status.limit_tokens is not None:
        return status.limit_tokens, "tokens"
    return status.limit_calls, None if status.limit_calls is None else "calls"
