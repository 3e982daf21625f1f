"""Rolling and given periods, what is handed on, other units, plans: recomputed naively.

The rules are written down here once more, without anything that makes them quick.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from hypothesis import given

from taximeter_processors.windows import period_bounds, window_start
from taximeter_schemas.budgets import (
    WINDOW_SECONDS,
    BudgetDefined,
    BudgetEvent,
    BudgetStatus,
    PlanAssigned,
)
from taximeter_schemas.money import usd_from_pico
from taximeter_schemas.subjects import Scope, Subject
from tests.builders import NOON
from tests.property.watching import (
    LATER,
    MEMORY,
    Mark,
    Said,
    deliveries,
    last_words,
    watched,
)

BEFORE = NOON - timedelta(days=2)
EACH_USER = Scope(user="*")


def _budget(name: str, period: str, **fields: object) -> BudgetDefined:
    stated = {"budget_id": name, "period": period, "defined_at": BEFORE}
    return BudgetDefined.model_validate(stated | {"limit_usd": "10"} | fields)


def _plan(user: str, plan: str) -> PlanAssigned:
    stated = {"event_type": "PlanAssigned", "user_id": user, "plan": plan}
    return PlanAssigned.model_validate(stated | {"assigned_at": BEFORE})


PAIR = _budget("pair", "day", scope=Scope(user="*", model="gpt-4o"))
TOKENS = _budget("tokens", "hour", limit_usd=None, limit_tokens=90, scope=EACH_USER)
CALLS = _budget("calls", "day", limit_usd=None, limit_calls=3)
GIVEN = _budget(
    "given", "fixed", starts_at=NOON, ends_at=NOON + timedelta(hours=2), scope=EACH_USER
)
SOME = _budget("some", "day", scope=Scope(user="*", exceptions=("grace",)))
FREE = _budget("free", "month", scope=Scope(user="*", plan="free"), limit_usd="3")
PRO = _budget("pro", "month", scope=Scope(user="*", plan="pro"), limit_usd="20")
ROLLING_HOUR = _budget("an-hour", "rolling_hour", scope=EACH_USER)
ROLLING_DAY = _budget("a-day", "rolling_day", time_zone="Asia/Kathmandu")
SAVING = _budget("saving", "day", rollover=("unused",), scope=EACH_USER)
OWING = _budget("owing", "hour", rollover=("overspent",))
BOTH = _budget("both", "hour", rollover=("unused", "overspent"), scope=EACH_USER)

CALENDAR = (PAIR, TOKENS, CALLS, GIVEN, SOME, FREE, PRO)
ROLLING = (ROLLING_HOUR, ROLLING_DAY)
HANDING_ON = (SAVING, OWING, BOTH)
TOLD: tuple[BudgetEvent, ...] = (
    *CALENDAR,
    *ROLLING,
    *HANDING_ON,
    _plan("*", "free"),
    _plan("grace", "pro"),
)

Steps = list[Said | Mark]
Alert = tuple[str, Subject, datetime | None, int]


class Used(NamedTuple):
    """What was used, in pico-dollars, tokens and calls."""

    usd: int = 0
    tokens: int = 0
    calls: int = 0

    def of(self, budget: BudgetDefined) -> Decimal:
        """Return it in the unit of a budget's limit."""
        if budget.unit == "usd":
            return usd_from_pico(self.usd)
        return Decimal(self.tokens if budget.unit == "tokens" else self.calls)


def _windows(steps: Steps, subject: Subject) -> dict[int, Used]:
    """Return what a subject used, by window."""
    windows: dict[int, Used] = {}
    for row in last_words(steps):
        if Subject(row.kind, row.id) == subject:
            said = row.partial
            more = Used(int(said.cost_pico), said.tokens, said.calls)
            windows[row.window_start] = _sum([windows.get(row.window_start), more])
    return windows


def _sum(some: list[Used | None]) -> Used:
    return Used(*(sum(one) for one in zip(Used(), *filter(None, some), strict=True)))


def _subjects(steps: Steps, budget: BudgetDefined) -> set[Subject]:
    found = {Subject(row.kind, row.id) for row in last_words(steps)}
    on_plan = {"free": {"ada"}, "pro": {"grace"}, None: {s.id for s in found}}
    return {
        subject
        for subject in found
        if budget.scope.covers(subject) and subject.id in on_plan[budget.scope.plan]
    }


def _reached(budget: BudgetDefined, used: Decimal, limit: Decimal) -> set[int]:
    return {
        percent
        for percent in budget.thresholds_percent
        if used > 0 and used * 100 >= percent * limit
    }


_OUTSIDE = datetime.max.replace(tzinfo=UTC)


def _start(budget: BudgetDefined, window: int) -> datetime | None:
    if budget.starts_at is None or budget.ends_at is None:
        return period_bounds(budget.period, budget.time_zone, window).start
    within = budget.starts_at.timestamp() <= window < budget.ends_at.timestamp()
    return budget.starts_at if within else _OUTSIDE


def _periods(
    budget: BudgetDefined, windows: dict[int, Used]
) -> dict[datetime | None, Used]:
    periods: dict[datetime | None, Used] = {}
    for window, used in windows.items():
        start = _start(budget, window)
        if start is _OUTSIDE:
            continue
        periods[start] = _sum([periods.get(start), used])
    return periods


def _limits(
    budget: BudgetDefined, periods: dict[datetime | None, Used]
) -> dict[datetime | None, Decimal]:
    """Return the limit of each period, walking from the first one of the budget on."""
    own = budget.limit or Decimal(0)
    limits = dict.fromkeys(periods, own)
    at = budget.defined_at
    handed = Decimal(0)
    while budget.rollover and at < LATER + timedelta(days=2):
        start, end = period_bounds(budget.period, budget.time_zone, window_start(at))
        assert end is not None
        if start in limits:
            limits[start] = max(Decimal(0), own + handed)
        left = own + handed - periods.get(start, Used()).of(budget)
        kept = "unused" if left > 0 else "overspent"
        handed, at = left if kept in budget.rollover else Decimal(0), end
    return limits


def _due(steps: Steps, budgets: tuple[BudgetDefined, ...]) -> set[Alert]:
    return {
        (budget.budget_id, subject, start, percent)
        for budget in budgets
        for subject in _subjects(steps, budget)
        for periods in [_periods(budget, _windows(steps, subject))]
        for start, limit in _limits(budget, periods).items()
        for percent in _reached(budget, periods[start].of(budget), limit)
    }


def _length(budget: BudgetDefined) -> int:
    return 3600 if budget is ROLLING_HOUR else 24 * 3600


def _last(budget: BudgetDefined, windows: dict[int, Used], end: int) -> Used:
    return _sum([u for w, u in windows.items() if end - _length(budget) < w <= end])


def _rolling_due(steps: Steps) -> set[Alert]:
    """Say what was reached when something was used, once in each hour or day."""
    due: set[Alert] = set()
    for budget in ROLLING:
        calendar = "hour" if budget is ROLLING_HOUR else "day"
        for subject in _subjects(steps, budget):
            windows = _windows(steps, subject)
            for window in windows:
                used = _last(budget, windows, window).of(budget)
                start = period_bounds(calendar, budget.time_zone, window).start
                for percent in _reached(budget, used, budget.limit or Decimal(0)):
                    due.add((budget.budget_id, subject, start, percent))
    return due


def _named(steps: Steps, memory: int, *budgets: BudgetDefined) -> list[Alert]:
    names = {budget.budget_id for budget in budgets}
    return [
        (a.budget_id, Subject(a.subject_kind, a.subject_id), a.period_start, percent)
        for a in watched(steps, memory, TOLD).alerts
        if a.budget_id in names
        for percent in [a.threshold_percent]
    ]


def _in_unit(status: BudgetStatus, budget: BudgetDefined) -> Decimal:
    if budget.unit == "usd":
        return status.spent_usd
    return Decimal(status.tokens if budget.unit == "tokens" else status.calls)


@given(deliveries(), MEMORY)
def test_thresholds_are_raised_once_and_only_where_they_are_reached(
    steps: Steps, memory: int
) -> None:
    """What is raised is what the last words say, whatever the unit, scope and plan."""
    raised = _named(steps, memory, *CALENDAR, *HANDING_ON)
    assert len(raised) == len(set(raised))
    assert set(raised) == _due(steps, CALENDAR + HANDING_ON)


@given(deliveries(), MEMORY)
def test_statuses_say_what_was_used_and_what_the_limit_is(
    steps: Steps, memory: int
) -> None:
    """Each latest status is the recomputed use, and the limit with what was handed."""
    statuses = list(watched(steps, memory, TOLD).statuses.values())
    for budget in (*CALENDAR, *HANDING_ON):
        said = {
            (Subject(s.subject_kind, s.subject_id), s.period_start): (
                _in_unit(s, budget),
                Decimal(s.limit_usd or s.limit_tokens or s.limit_calls or 0),
            )
            for s in statuses
            if s.budget_id == budget.budget_id
        }
        must = {
            (subject, start): (periods[start].of(budget), limit)
            for subject in _subjects(steps, budget)
            for periods in [_periods(budget, _windows(steps, subject))]
            for start, limit in _limits(budget, periods).items()
        }
        assert said == must


@given(deliveries(), MEMORY)
def test_rolling_thresholds_do_not_depend_on_the_order(
    steps: Steps, memory: int
) -> None:
    """Wherever something was used while the sum was at a threshold, it is raised."""
    watcher = watched(steps, memory, TOLD)
    raised = [a for a in watcher.alerts if a.budget_id in ("an-hour", "a-day")]
    assert len(raised) == len({a.alert_id for a in raised})
    found: set[Alert] = set()
    for alert in raised:
        budget = ROLLING_HOUR if alert.budget_id == "an-hour" else ROLLING_DAY
        assert alert.period_end is not None
        last = int(alert.period_end.timestamp()) - WINDOW_SECONDS
        calendar = "hour" if budget is ROLLING_HOUR else "day"
        start = period_bounds(calendar, budget.time_zone, last).start
        subject = Subject(alert.subject_kind, alert.subject_id)
        found.add((budget.budget_id, subject, start, alert.threshold_percent))
    assert found == _rolling_due(steps)


@given(deliveries(), MEMORY)
def test_rolling_statuses_are_those_of_now(steps: Steps, memory: int) -> None:
    """One status a subject: what was used in the stretch that ends now."""
    now = window_start(LATER)
    statuses = list(watched(steps, memory, TOLD).statuses.values())
    for budget in ROLLING:
        said = {
            Subject(s.subject_kind, s.subject_id): _in_unit(s, budget)
            for s in statuses
            if s.budget_id == budget.budget_id
        }
        must = {
            subject: _last(budget, _windows(steps, subject), now).of(budget)
            for subject in _subjects(steps, budget)
        }
        assert said == {subject: must[subject] for subject in said}
        assert {s for s, used in must.items() if used} <= said.keys()
