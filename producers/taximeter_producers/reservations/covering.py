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
    BudgetEvent,
    BudgetRemoved,
    PlanAssigned,
    budget_event_adapter,
    budget_key,
)
from taximeter_schemas.subjects import DIMENSIONS, Scope, Subject, subject_of
from taximeter_schemas.subjects import tag_dimension as tag
from taximeter_schemas.usage import UNATTRIBUTED

__all__ = ["Asked", "Blocking", "Whom", "call_of", "subject_in"]

_ANYBODY = "*"


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


def subject_in(scope: Scope, call: Mapping[str, str]) -> Subject | None:
    """Return the subject of a scope that a call is charged to; None if there is none.

    >>> subject_in(Scope(user="*"), {"user": "alice", "model": "gpt-4o"})
    Subject(kind='user', id='alice')
    >>> subject_in(Scope(user="bob"), {"user": "alice"})
    """
    named = scope.named()
    if not named.keys() <= call.keys():
        return None
    subject = subject_of({dimension: call[dimension] for dimension in named})
    return subject if scope.covers(subject) else None


class Blocking:
    """The budgets in USD that stop a call when they are exceeded."""

    def __init__(self) -> None:
        self._in_force: dict[bytes, BudgetEvent] = {}

    def learn(self, value: bytes) -> None:
        """Take a record of the topic in; what is no budget changes nothing."""
        try:
            event = budget_event_adapter.validate_json(value)
        except ValidationError:
            return  # the workers log it
        if isinstance(event, BudgetRemoved):
            self._in_force.pop(budget_key(event), None)
        else:
            self._in_force[budget_key(event)] = event

    def covering(self, call: Mapping[str, str], now: datetime) -> Iterator[Asked]:
        """Yield each budget that a call of now has to be let through by."""
        for event in self._in_force.values():
            if isinstance(event, BudgetDefined) and _blocks(event, now):
                subject = subject_in(event.scope, call)
                if subject is not None and self._is_on(event.scope.plan, call):
                    yield Asked(event, subject)

    def _is_on(self, plan: str | None, call: Mapping[str, str]) -> bool:
        return plan is None or plan == self._plan_of(call["user"])

    def _plan_of(self, user: str) -> str | None:
        return self._assigned(user) or self._assigned(_ANYBODY)

    def _assigned(self, user: str) -> str | None:
        event = self._in_force.get(f"plan-of:{user}".encode())
        return event.plan if isinstance(event, PlanAssigned) else None


def _blocks(budget: BudgetDefined, now: datetime) -> bool:
    if budget.on_exceeded != "block" or budget.limit_usd is None:
        return False
    start, end = budget.starts_at or now, budget.ends_at
    return start <= now and (end is None or now < end)
