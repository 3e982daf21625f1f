"""What the tests of guards have in common: budgets, statuses, and a guard that knows.

No Kafka: the guard is told by a feed that a test holds in its hand.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from time import monotonic

from taximeter_producers.guard.budget_guard import BudgetGuard
from taximeter_producers.guard.feeds import Told
from taximeter_schemas.budgets import (
    BudgetDefined,
    BudgetEvent,
    BudgetStatus,
    PlanAssigned,
)
from taximeter_schemas.clock import ManualClock
from taximeter_schemas.subjects import Subject
from tests.builders import NOON

__all__ = [
    "TODAY",
    "TOMORROW",
    "GivenFeed",
    "a_budget",
    "a_guard",
    "a_plan",
    "a_status",
    "status_key",
]

TODAY = datetime(2026, 11, 22, tzinfo=UTC)
TOMORROW = datetime(2026, 11, 23, tzinfo=UTC)


def a_budget(**overrides: object) -> BudgetDefined:
    """Return a budget of 10 USD a day for everything, with the fields given."""
    fields: dict[str, object] = {
        "budget_id": "b",
        "period": "day",
        "limit_usd": "10",
        "defined_at": NOON,
    }
    if {"limit_tokens", "limit_calls"} & overrides.keys():
        del fields["limit_usd"]
    return BudgetDefined.model_validate(fields | overrides)


def a_status(**overrides: object) -> BudgetStatus:
    """Return the status of everybody in budget `b` today, with the fields given."""
    fields: dict[str, object] = {
        "budget_id": "b",
        "subject_kind": "all",
        "subject_id": "",
        "period": "day",
        "period_start": TODAY,
        "period_end": TOMORROW,
        "spent_usd": "0",
        "state": "within",
        "calls": 1,
        "unpriced_calls": 0,
    }
    subject = overrides.pop("subject", None)
    if isinstance(subject, Subject):
        fields |= {"subject_kind": subject.kind, "subject_id": subject.id}
    return BudgetStatus.model_validate(fields | overrides)


def a_plan(user: str, plan: str | None) -> PlanAssigned:
    """Return that a user is on a plan from now on."""
    return PlanAssigned(
        event_type="PlanAssigned", user_id=user, plan=plan, assigned_at=NOON
    )


def status_key(status: BudgetStatus) -> bytes:
    """Return the key under which a worker writes a status."""
    start = status.period_start.isoformat() if status.period_start else "total"
    if status.period.startswith("rolling"):
        start = "rolling"
    named = (status.budget_id, status.subject_kind, status.subject_id, start)
    return "|".join(named).encode()


class GivenFeed:
    """Tells a guard what a test says, when it says so."""

    def __init__(self, told: Told) -> None:
        self.told = told
        self.stopped = False

    def start(self) -> None:
        """Do nothing: the test tells."""

    def stop(self) -> None:
        """Take note."""
        self.stopped = True

    def tell(self, *events: BudgetEvent | BudgetStatus, age: float = 0.0) -> None:
        """Let the guard know these, and that this was all, so many seconds ago."""
        self.told.budgets.learn(e for e in events if not isinstance(e, BudgetStatus))
        for event in events:
            if isinstance(event, BudgetStatus):
                now = self.told.clock.now()
                self.told.standings.take(status_key(event), event, now)
        self.told.freshness.known_as_of(monotonic() - age)


def a_guard(
    events: Iterable[BudgetEvent | BudgetStatus] | None = None,
    *,
    age: float = 0.0,
    **settings: object,
) -> tuple[BudgetGuard, GivenFeed]:
    """Return a guard at noon that knows these; None: that has heard of nothing."""
    feeds: list[GivenFeed] = []

    def feed(told: Told) -> GivenFeed:
        feeds.append(GivenFeed(told))
        return feeds[-1]

    chosen: dict[str, object] = {"clock": ManualClock(NOON)} | settings
    guard = BudgetGuard(feed=feed, **chosen)  # type: ignore[arg-type]
    if events is not None:
        feeds[-1].tell(*events, age=age)
    return guard, feeds[-1]
