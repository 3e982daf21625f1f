"""Which budgets a call has to be let through by.

Pure. Budgets and plans are learned from their topic; a call is what it says of itself,
by the dimensions that spend is told apart along.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple, TypedDict

from pydantic import ValidationError

from taximeter_producers.attribution import Attribution, label
from taximeter_schemas.budgets import (
    BudgetDefined,
    BudgetRemoved,
    PlanAssigned,
    budget_event_adapter,
)
from taximeter_schemas.plans import Plans
from taximeter_schemas.subjects import DIMENSIONS, Scope, Subject, subject_of
from taximeter_schemas.subjects import tag_dimension as tag
from taximeter_schemas.usage import UNATTRIBUTED

__all__ = ["Asked", "Blocking", "Whom", "call_of"]


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


def call_of(whom: Whom, around: Attribution) -> dict[str, str]:
    """Return a call's value in each dimension in which it has one.

    >>> call_of({"model": "gpt-4o", "tags": {"team": "x"}}, Attribution(user_id="ada"))
    {'user': 'ada', 'model': 'gpt-4o', 'project': 'unattributed', 'tag:team': 'x'}
    """
    inherited = {
        "user": around.user_id or UNATTRIBUTED,
        "project": around.project_id or UNATTRIBUTED,
        "session": around.session_id,
        "endpoint": around.endpoint,
    }
    said = {name: label(whom.get(name)) or inherited.get(name) for name in DIMENSIONS}
    tags = {**around.tags, **(whom.get("tags") or {})}
    values = said | {tag(name): label(value) for name, value in tags.items()}
    return {name: value for name, value in values.items() if value is not None}


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
    """The budgets in USD that stop a call when they are exceeded."""

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

    def covering(self, call: Mapping[str, str], now: datetime) -> Iterator[Asked]:
        """Yield each budget that a call of now has to be let through by."""
        for budget in self._defined.values():
            if _blocks(budget, now):
                subject = _subject_in(budget.scope, call)
                if subject is not None and self._plans.cover(budget, subject):
                    yield Asked(budget, subject)


def _blocks(budget: BudgetDefined, now: datetime) -> bool:
    if budget.on_exceeded != "block" or budget.limit_usd is None:
        return False
    start, end = budget.starts_at or now, budget.ends_at
    return start <= now and (end is None or now < end)
