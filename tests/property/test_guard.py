"""A guard's decision is the one that a look at every budget and status would make."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from taximeter_producers.guard.asked import asked_for
from taximeter_producers.guard.budget_index import Budgets
from taximeter_producers.guard.standings import Standings
from taximeter_producers.guard.verdicts import Knowledge, verdict
from taximeter_schemas.budgets import (
    BudgetDefined,
    BudgetEvent,
    BudgetRemoved,
    BudgetStatus,
    PlanAssigned,
)
from taximeter_schemas.errors import BudgetExceeded, BudgetUnknown
from taximeter_schemas.subjects import Subject, subject_of
from tests.builders import NOON
from tests.guarding import TODAY, a_budget, a_plan, a_status, status_key

IDS = ("a", "b", "c")
VALUES: dict[str, tuple[str, ...]] = {
    "user": ("ada", "bob"),
    "model": ("gpt", "mini"),
    "team": ("x", "y"),
}
STARTS = [datetime(2026, 11, day, tzinfo=UTC) for day in (21, 22, 23)]

named = st.fixed_dictionaries(
    {},
    optional={
        "user": st.sampled_from(("*", "*", *VALUES["user"])),
        "model": st.sampled_from(("*", *VALUES["model"])),
        "tags": st.fixed_dictionaries({"team": st.sampled_from(("*", "x", "y"))}),
    },
)


@st.composite
def scopes(draw: st.DrawFn) -> dict[str, Any]:
    """Return whom a budget may be for."""
    scope: dict[str, Any] = draw(named)
    values = [*(v for k, v in scope.items() if k != "tags")]
    values += scope.get("tags", {}).values()
    if values.count("*") == 1 and draw(st.booleans()):
        scope["exceptions"] = ["ada", "gpt", "x"]
    if scope == {"user": "*"} and draw(st.booleans()):
        scope["plan"] = "pro"
    return scope


@st.composite
def budgets(draw: st.DrawFn) -> BudgetEvent:
    """Return a definition, a removal or a plan."""
    if draw(st.integers(0, 3)) == 0:
        user = draw(st.sampled_from(("*", *VALUES["user"])))
        return a_plan(user, draw(st.sampled_from(("pro", None))))
    name = draw(st.sampled_from(IDS))
    if draw(st.integers(0, 9)) == 0:
        return BudgetRemoved(
            event_type="BudgetRemoved", budget_id=name, removed_at=NOON
        )
    action = draw(st.sampled_from(("block", "warn", "fallback")))
    unit = draw(st.sampled_from(("limit_usd", "limit_tokens", "limit_calls")))
    fallback = draw(st.sampled_from(VALUES["model"])) if action == "fallback" else None
    return a_budget(
        budget_id=name,
        scope=draw(scopes()),
        period=draw(st.sampled_from(("day", "total", "rolling_day"))),
        on_exceeded=action,
        fallback_model=fallback,
        when_unknown=draw(st.sampled_from(("fail_open", "fail_closed"))),
        **{unit: draw(st.integers(0, 4))},
    )


calls = st.fixed_dictionaries(
    {
        "user": st.sampled_from(VALUES["user"]),
        "model": st.sampled_from(VALUES["model"]),
    },
    optional={
        "tags": st.fixed_dictionaries({"team": st.sampled_from(VALUES["team"])}),
        "estimate_usd": st.integers(0, 2),
        "estimate_tokens": st.integers(0, 2),
    },
)


@st.composite
def statuses(draw: st.DrawFn, budget: BudgetDefined) -> BudgetStatus:
    """Return how some subject stood in some period of a budget, or of its like."""
    kinds = budget.scope.named()
    values = {
        kind: draw(st.sampled_from(VALUES[kind.removeprefix("tag:")])) for kind in kinds
    }
    period = draw(st.sampled_from((budget.period, budget.period, "total")))
    start = draw(st.sampled_from((*STARTS, TODAY)))
    bounded = period != "total"
    return a_status(
        budget_id=budget.budget_id,
        subject=subject_of(values),
        period=period,
        period_start=start if bounded else None,
        period_end=start + timedelta(days=1) if bounded else None,
        spent_usd=draw(st.integers(0, 5)),
        reserved_usd=draw(st.integers(0, 1)),
        tokens=draw(st.integers(0, 5)),
        calls=draw(st.integers(0, 5)),
    )


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[BudgetEvent], list[BudgetStatus]]:
    """Return what was said of budgets, and of how they stand, in its order."""
    events = draw(st.lists(budgets(), min_size=1, max_size=8))
    defined = [event for event in events if isinstance(event, BudgetDefined)]
    told = [draw(statuses(one)) for one in defined for _ in range(2)]
    return events, draw(st.permutations(told))


class Naive:
    """Looks at everything, every time, by what the schemas say of it."""

    def __init__(
        self,
        events: Iterable[BudgetEvent],
        told: Iterable[BudgetStatus],
        now: datetime,
        known: bool,
    ) -> None:
        self.defined: dict[str, BudgetDefined] = {}
        self.plans: dict[str, str | None] = {}
        self.last = {status_key(status): status for status in told}
        self.now = now
        self.known = known
        for event in events:
            if isinstance(event, PlanAssigned):
                self.plans[event.user_id] = event.plan
            elif isinstance(event, BudgetRemoved):
                self.defined.pop(event.budget_id, None)
            else:
                self.defined[event.budget_id] = event

    def outcome(self, call: Mapping[str, Any]) -> tuple[object, ...]:
        """Return what is to happen to a call."""
        over = self.over(call)
        falling = [
            budget
            for budget in over
            if budget.on_exceeded == "fallback"
            and budget.fallback_model != call.get("model")
        ]
        if not falling:
            return self.concluded(call, [])
        # That another model is free as well, nobody said.
        other = {**call, "estimate_usd": call.get("estimate_usd") or None}
        tried = [
            self.concluded({**other, "model": budget.fallback_model}, falling)
            for budget in falling
        ]
        return next((one for one in tried if one[0] == "pass"), tried[0])

    def concluded(
        self, call: Mapping[str, Any], falling: list[BudgetDefined]
    ) -> tuple[object, ...]:
        """Return what happens to a call whose other budgets named its model."""
        over = self.over(call)
        for budget in over:
            content = budget.on_exceeded == "warn" or budget in falling
            if not content and budget.fallback_model != call.get("model", ""):
                return "exceeded", budget.budget_id
        if not self.known:
            for budget in self.covering(call):
                if budget not in over and budget.when_unknown == "fail_closed":
                    return "unknown", budget.budget_id
        return "pass", call.get("model")

    def over(self, call: Mapping[str, Any]) -> list[BudgetDefined]:
        """Return the exceeded budgets of a call."""
        return [b for b in self.covering(call) if self.is_over(b, call)]

    def covering(self, call: Mapping[str, Any]) -> list[BudgetDefined]:
        """Return the budgets in whose scope a call is, and against which it counts."""
        return [
            budget
            for _, budget in sorted(self.defined.items())
            if (subject := self.subject(budget, call)) is not None
            and budget.scope.covers(subject)
            and budget.scope.plan in (None, self.plan(subject))
            and not (budget.unit == "usd" and call.get("estimate_usd") == 0)
        ]

    def plan(self, subject: Subject) -> str | None:
        """Return the plan that the subject, a user, is on."""
        return self.plans.get(subject.id) or self.plans.get("*")

    def subject(self, budget: BudgetDefined, call: Mapping[str, Any]) -> Subject | None:
        """Return which subject of the budget's kind a call is."""
        said = {k: call[k] for k in ("user", "model") if k in call}
        said |= {f"tag:{k}": v for k, v in call.get("tags", {}).items()}
        kinds = list(budget.scope.named())
        if any(kind not in said for kind in kinds):
            return None
        return subject_of({kind: said[kind] for kind in kinds})

    def is_over(self, budget: BudgetDefined, call: Mapping[str, Any]) -> bool:
        """Tell whether a call has no room in a budget."""
        spent = self.spent(budget, call)
        adds = {
            "usd": Decimal(call.get("estimate_usd") or 0),
            "tokens": Decimal(call.get("estimate_tokens", 0)),
            "calls": Decimal(1),
        }[budget.unit]
        limit = budget.limit
        assert limit is not None
        return spent >= limit or spent + adds > limit

    def spent(self, budget: BudgetDefined, call: Mapping[str, Any]) -> Decimal:
        """Return what was last said of the period of now."""
        subject = self.subject(budget, call)
        for status in self.last.values():
            theirs = Subject(status.subject_kind, status.subject_id)
            same = (status.budget_id, theirs, status.period)
            if same == (budget.budget_id, subject, budget.period) and self.is_now(
                status
            ):
                used = {
                    "usd": status.spent_usd + status.reserved_usd,
                    "tokens": Decimal(status.tokens),
                    "calls": Decimal(status.calls),
                }
                return used[budget.unit]
        return Decimal(0)

    def is_now(self, status: BudgetStatus) -> bool:
        """Tell whether a status is about now."""
        start, end = status.period_start, status.period_end
        if start is None or end is None:
            return True
        if status.period == "rolling_day":
            return self.now < end + timedelta(days=1)
        return start <= self.now < end


@settings(max_examples=500)
@given(
    worlds(),
    calls,
    st.sampled_from([NOON, NOON, NOON + timedelta(hours=12)]),
    st.booleans(),
)
def test_a_decision_is_what_looking_at_everything_would_say(
    world: tuple[list[BudgetEvent], list[BudgetStatus]],
    call: dict[str, Any],
    now: datetime,
    known: bool,
) -> None:
    """Whatever was said in which order, and however young the knowledge is."""
    events, told = world
    index, standings = Budgets(), Standings()
    for event in events:
        index.learn([event])
    for status in told:
        standings.take(status_key(status), status, NOON)

    found = verdict(
        Knowledge(index, standings, now, None if known else "no news"),
        asked_for(**call),
    )

    expected = Naive(events, told, now, known).outcome(call)
    refusal = found.refusal
    if isinstance(refusal, BudgetExceeded | BudgetUnknown):
        kind = "exceeded" if isinstance(refusal, BudgetExceeded) else "unknown"
        assert (kind, refusal.budget_id) == expected
    else:
        assert ("pass", found.decision.model) == expected
