"""One subject in one period of one budget: what it has spent there, and how it stands.

Pure. A status is written as bytes at once, like a charge: a worker says thousands of
them a second, and most of each is the same every time. A test holds these bytes to
`BudgetStatus`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from pydantic_core import to_json

from taximeter_processors.windows import Bounds
from taximeter_schemas.budgets import BudgetDefined, BudgetState
from taximeter_schemas.money import pico_from_usd, usd_text
from taximeter_schemas.spend import Partial
from taximeter_schemas.subjects import Subject

__all__ = ["Account"]

_WARNING_FROM_PERCENT: Final = 80


class Account:
    """One subject in one period of one budget.

    Attributes:
        raised: how many thresholds, from the lowest, are known to be raised.
        limit_pico: the budget's limit in pico-dollars.
    """

    __slots__ = (
        "_facts",
        "_key",
        "bounds",
        "budget",
        "calls",
        "cost_pico",
        "limit_pico",
        "raised",
        "subject",
        "unpriced_calls",
    )

    def __init__(self, budget: BudgetDefined, subject: Subject, bounds: Bounds) -> None:
        self.budget = budget
        self.subject = subject
        self.bounds = bounds
        self.limit_pico = pico_from_usd(budget.limit_usd or Decimal(0))
        self.raised = 0
        self.cost_pico = self.calls = self.unpriced_calls = 0
        self._key = _status_key(budget, subject, bounds)
        self._facts = _unchanging(budget, subject, bounds)

    def move(self, old: Partial | None, new: Partial) -> None:
        """Let one partial take the place of another in the sums."""
        self.cost_pico += int(new.cost_pico)
        self.calls += new.calls
        self.unpriced_calls += new.unpriced_calls
        if old is not None:
            self.cost_pico -= int(old.cost_pico)
            self.calls -= old.calls
            self.unpriced_calls -= old.unpriced_calls

    def status(self) -> tuple[bytes, bytes]:
        """Return the `BudgetStatus` as a record: the latest one of a key counts."""
        spent = self.cost_pico
        # A re-pricing can arrive before the partial that has its call.
        unpriced = max(0, self.unpriced_calls)
        value = (
            f'{self._facts}"spent_usd":"{usd_text(spent)}",'
            f'"remaining_usd":"{usd_text(self.limit_pico - spent)}",'
            f'"state":"{_state(spent, self.limit_pico)}",'
            f'"calls":{self.calls},"unpriced_calls":{unpriced}}}'
        )
        return self._key, value.encode()


def _status_key(budget: BudgetDefined, subject: Subject, bounds: Bounds) -> bytes:
    start = bounds.start.isoformat() if bounds.start else "total"
    return f"{budget.budget_id}|{subject.kind}|{subject.id}|{start}".encode()


def _unchanging(budget: BudgetDefined, subject: Subject, bounds: Bounds) -> str:
    facts: dict[str, object] = {
        "event_type": "BudgetStatus",
        "schema_version": 2,
        "budget_id": budget.budget_id,
        "subject_kind": subject.kind,
        "subject_id": subject.id,
        "period": budget.period,
        "period_start": bounds.start,
        "period_end": bounds.end,
        "limit_usd": f"{budget.limit_usd or 0:f}",
    }
    return to_json(facts).decode().removesuffix("}") + ","


def _state(spent: int, limit: int) -> BudgetState:
    if spent > 0 and spent >= limit:
        return "exceeded"
    if spent > 0 and spent * 100 >= limit * _WARNING_FROM_PERCENT:
        return "warning"
    return "within"
