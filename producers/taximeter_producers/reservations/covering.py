"""Which budgets a call has to be let through by.

Pure. Budgets and plans are learned from their topic; a call is what it says of itself,
by the dimensions that spend is told apart along.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple, TypedDict

from pydantic import ValidationError

from taximeter_schemas.budgets import (
    BudgetDefined,
    BudgetRemoved,
    PlanAssigned,
    budget_event_adapter,
)
from taximeter_schemas.plans import Plans
from taximeter_schemas.subjects import Scope, Subject, subject_of

__all__ = ["Asked", "Blocking", "Whom"]


class Whom(TypedDict, total=False):
    """Whom a call is for, and what it is; what is left out is taken from around it."""

    user: str | None
    model: str | None
    project: str | None
    session: str | None
    endpoint: str | None
    provider: str | None
    source: str | None
    api_key: str | None
    tags: Mapping[str, str] | None


class Asked(NamedTuple):
    """A budget that is to be asked, and the subject that the call is charged to."""

    budget: BudgetDefined
    subject: Subject


def _subject_in(scope: Scope, call: Mapping[str, str]) -> Subject | None:
    """Return what a call is in the dimensions of a scope; None if it lacks one.

    >>> _subject_in(Scope(user="*"), {"user": "alice", "model": "gpt-4o"})
    Subject(kind='user', id='alice')
    >>> _subject_in(Scope(session="*"), {"user": "alice"})
    """
    named = scope.named()
    if not named.keys() <= call.keys():
        return None
    return subject_of({dimension: call[dimension] for dimension in named})


class Blocking:
    """The budgets with a limit that stop a call when they are exceeded."""

    def __init__(self) -> None:
        self._defined: dict[str, BudgetDefined] = {}
        self._plans = Plans()

    def learn(self, value: bytes) -> None:
        """Take a record of the topic in; what is no budget changes nothing."""
        try:
            event = budget_event_adapter.validate_json(value)
        except ValidationError:
            return  # the workers log it
        if isinstance(event, PlanAssigned):
            self._plans.learn(event)
        elif isinstance(event, BudgetRemoved):
            self._defined.pop(event.budget_id, None)
        else:
            self._defined[event.budget_id] = event

    def covering(
        self, call: Mapping[str, str], now: datetime, *, is_free: bool = False
    ) -> Iterator[Asked]:
        """Yield each budget that a call of now has to be let through by.

        None in USD if it is free.
        """
        for budget in self._defined.values():
            if _blocks(budget, now) and not (is_free and budget.unit == "usd"):
                subject = _subject_in(budget.scope, call)
                if subject is not None and self._plans.cover(budget, subject):
                    yield Asked(budget, subject)


def _blocks(budget: BudgetDefined, now: datetime) -> bool:
    if budget.on_exceeded != "block" or budget.limit is None:
        return False
    start, end = budget.starts_at or now, budget.ends_at
    return start <= now and (end is None or now < end)
