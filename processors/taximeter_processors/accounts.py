"""One subject in one period of one budget: what it has spent there, and how it stands.

Pure. A status is written as bytes at once, like a charge: a worker says thousands of
them a second, and most of each is the same every time. A test holds these bytes to
`BudgetStatus`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, NamedTuple

from pydantic_core import to_json

from taximeter_processors.windows import Bounds, window_start
from taximeter_schemas.budgets import (
    BudgetDefined,
    BudgetState,
    Unit,
)
from taximeter_schemas.money import usd_from_pico, usd_text
from taximeter_schemas.spend import Partial
from taximeter_schemas.subjects import Subject

__all__ = [
    "Account",
    "AccountKey",
    "Crossing",
    "Record",
    "Sums",
    "crossed",
    "status_record",
    "unchanging",
]

_WARNING_FROM_PERCENT: Final = 80

AccountKey = tuple[str, Subject, Bounds]
"""The id of a budget, a subject, a period."""

Record = tuple[bytes, bytes | None]
"""A key and a value; none takes back what was said."""


class Sums:
    """What was spent: in pico-dollars, calls and tokens."""

    __slots__ = ("calls", "cost_pico", "tokens", "unpriced_calls")

    def __init__(self) -> None:
        self.cost_pico = self.calls = self.unpriced_calls = self.tokens = 0

    def move(self, old: Partial | None, new: Partial) -> None:
        """Let one partial take the place of another."""
        self.cost_pico += int(new.cost_pico)
        self.calls += new.calls
        self.unpriced_calls += new.unpriced_calls
        self.tokens += new.tokens
        if old is not None:
            self.cost_pico -= int(old.cost_pico)
            self.calls -= old.calls
            self.unpriced_calls -= old.unpriced_calls
            self.tokens -= old.tokens

    def add(self, other: Sums) -> None:
        """Add what was spent at another time."""
        self.cost_pico += other.cost_pico
        self.calls += other.calls
        self.unpriced_calls += other.unpriced_calls
        self.tokens += other.tokens

    def of(self, unit: Unit) -> int:
        """Return how much that is in the unit of a limit; dollars in pico-dollars."""
        if unit == "usd":
            return self.cost_pico
        return self.tokens if unit == "tokens" else self.calls


class Crossing(NamedTuple):
    """A threshold that was reached, in which period, and what was spent by then.

    `identified_by` is the start that its alert's id is made of; what is said of the
    period are its `bounds`.
    """

    percent: int
    identified_by: datetime | None
    bounds: Bounds
    sums: Sums


class Account:
    """One subject in one period of one budget.

    Attributes:
        limit: of this period, in pico-dollars, tokens or calls; None if there is none.
        raised: how many thresholds, from the lowest, are known to be raised.
        reserved: what is promised to calls that are not charged yet, in that unit.
        key: of the status, on its topic.
    """

    __slots__ = (
        "_facts",
        "bounds",
        "budget",
        "key",
        "limit",
        "raised",
        "reserved",
        "subject",
        "sums",
    )

    def __init__(
        self,
        budget: BudgetDefined,
        subject: Subject,
        bounds: Bounds,
        key: str | None = None,
    ) -> None:
        self.budget = budget
        self.subject = subject
        self.bounds = bounds
        self.limit = budget.whole_limit
        self.raised = self.reserved = 0
        self.sums = Sums()
        key = key or (bounds.start.isoformat() if bounds.start else "total")
        self.key = f"{budget.budget_id}|{subject.kind}|{subject.id}|{key}".encode()
        self._facts = unchanging(budget, subject, bounds)

    @property
    def rolls(self) -> bool:
        """Tell whether it stands otherwise as time goes by."""
        return False

    @property
    def used(self) -> int:
        """What was spent, in the unit of the limit."""
        return self.sums.of(self.budget.unit)

    @property
    def counts_from(self) -> tuple[int, int]:
        """The first window that counts here, and the one that does not any more."""
        start, end = self.bounds
        if start is None or end is None:
            return 0, 0  # over all time: such an account is never let go
        return window_start(start), window_start(end)

    def move(self, window: int, old: Partial | None, new: Partial) -> None:
        """Let one partial of a window take the place of another in the sums."""
        del window
        self.sums.move(old, new)

    def crossings(self) -> Iterator[Crossing]:
        """Yield the thresholds that are reached and not known to be raised."""
        if not self._existed():
            return
        for percent in crossed(self.budget, self.raised, self.used, self.limit):
            self.raised += 1
            yield Crossing(percent, self.bounds.start, self.bounds, self.sums)

    def status(self, present: int) -> tuple[bytes, bytes] | None:
        """Return the `BudgetStatus` as a record: the latest one of a key counts.

        None when there is nothing to be said of this period.

        Args:
            present: the window of now.
        """
        del present
        return status_record(self.key, self._facts, self, self.sums, self.reserved)

    def used_at(self, present: int) -> int:
        """Return what was spent in the period, as of the window of now, in its unit."""
        del present
        return self.used

    def said_limit(self) -> dict[str, Any]:
        """Return the limit under the name that events have for its unit."""
        unit, limit = self.budget.unit, self.limit
        if limit is None:
            return {}
        return {f"limit_{unit}": usd_from_pico(limit) if unit == "usd" else limit}

    def _existed(self) -> bool:
        """Tell whether the budget was there before the period ended."""
        end = self.bounds.end
        return end is None or end > self.budget.defined_at


def crossed(
    budget: BudgetDefined, raised: int, used: int, limit: int | None
) -> Iterator[int]:
    """Yield the thresholds, beyond those raised, that so much spend has reached."""
    if limit is None or used <= 0:
        return
    for percent in budget.thresholds_percent[raised:]:
        if used * 100 < percent * limit:
            return
        yield percent


def status_record(
    key: bytes, facts: str, account: Account, sums: Sums, reserved: int
) -> tuple[bytes, bytes]:
    """Return a `BudgetStatus` as key and value, from what never changes in it."""
    unit, limit = account.budget.unit, account.limit
    # A re-pricing can arrive before the partial that has its call.
    unpriced = max(0, sums.unpriced_calls)
    state = _state(sums.of(unit), limit)
    value = (
        f'{facts}{_limited(unit, limit, sums.cost_pico)}"state":"{state}",'
        f'"spent_usd":"{usd_text(sums.cost_pico)}","calls":{max(0, sums.calls)},'
        f'"unpriced_calls":{unpriced},"tokens":{max(0, sums.tokens)}'
    )
    if reserved:
        held = f'"{usd_text(reserved)}"' if unit == "usd" else reserved
        value += f',"reserved_{unit}":{held}'
    return key, f"{value}}}".encode()


def _limited(unit: Unit, limit: int | None, cost_pico: int) -> str:
    if limit is None:
        return ""
    if unit != "usd":
        return f'"limit_{unit}":{limit},'
    remaining = usd_text(limit - cost_pico)
    return f'"limit_usd":"{usd_text(limit)}","remaining_usd":"{remaining}",'


def unchanging(budget: BudgetDefined, subject: Subject, bounds: Bounds) -> str:
    """Return what is always the same in the statuses of an account, as JSON."""
    facts: dict[str, object] = {
        "event_type": "BudgetStatus",
        "schema_version": 2,
        "budget_id": budget.budget_id,
        "subject_kind": subject.kind,
        "subject_id": subject.id,
        "period": budget.period,
        "period_start": bounds.start,
        "period_end": bounds.end,
    }
    return to_json(facts).decode().removesuffix("}") + ","


def _state(used: int, limit: int | None) -> BudgetState:
    if limit is None or used <= 0:
        return "within"
    if used >= limit:
        return "exceeded"
    return "warning" if used * 100 >= limit * _WARNING_FROM_PERCENT else "within"
