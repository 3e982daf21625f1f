"""Whatever order, repetition and restarts: one spend, one alert a threshold."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from hypothesis import given

from taximeter_processors.windows import period_bounds
from taximeter_schemas.budgets import BudgetDefined
from taximeter_schemas.money import usd_from_pico
from taximeter_schemas.subjects import Scope, Subject
from tests.builders import NOON
from tests.property.watching import MEMORY, Mark, Said, deliveries, last_words, watched

BUDGETS = (
    BudgetDefined(
        budget_id="each-day",
        scope=Scope(user="*"),
        period="day",
        limit_usd=Decimal(20),
        defined_at=NOON,
    ),
    BudgetDefined(
        budget_id="zoned-hour",
        scope=Scope(user="ada"),
        period="hour",
        time_zone="Asia/Kathmandu",
        limit_usd=Decimal("0.5"),
        thresholds_percent=(1, 100, 1000),
        defined_at=NOON - timedelta(days=3),
    ),
    BudgetDefined(
        budget_id="total", period="total", limit_usd=Decimal(0), defined_at=NOON
    ),
)


def recomputed(steps: list[Said | Mark]) -> dict[tuple[str, Subject, object], Decimal]:
    """Add up the last word of each source, per budget, subject and period."""
    sums: dict[tuple[str, Subject, object], Decimal] = {}
    for row in last_words(steps):
        subject = Subject(row.kind, row.id)
        for budget in BUDGETS:
            if budget.scope.covers(subject):
                bounds = period_bounds(
                    budget.period, budget.time_zone, row.window_start
                )
                key = budget.budget_id, subject, bounds.start
                usd = usd_from_pico(int(row.partial.cost_pico))
                sums[key] = sums.get(key, Decimal(0)) + usd
    return sums


@given(deliveries(), MEMORY)
def test_statuses_are_the_recomputed_spend(
    steps: list[Said | Mark], memory: int
) -> None:
    """The latest status of each account is the sum of the last words, exactly."""
    found = {
        (
            s.budget_id,
            Subject(s.subject_kind, s.subject_id),
            s.period_start,
        ): s.spent_usd
        for s in watched(steps, memory, BUDGETS).statuses.values()
    }
    assert found == recomputed(steps)


@given(deliveries(), MEMORY)
def test_every_threshold_reached_is_raised_once(
    steps: list[Said | Mark], memory: int
) -> None:
    """Spend only grows here, so the alerts are what the final sums say, once each."""
    raised = [
        (
            a.budget_id,
            Subject(a.subject_kind, a.subject_id),
            a.period_start,
            a.threshold_percent,
        )
        for a in watched(steps, memory, BUDGETS).alerts
    ]
    due = {
        (*key, percent)
        for key, usd in recomputed(steps).items()
        for budget in BUDGETS
        if budget.budget_id == key[0] and usd > 0
        for percent in budget.thresholds_percent
        if usd * 100 >= percent * (budget.limit or 0)
    }
    assert len(raised) == len(set(raised))
    assert set(raised) == due


@given(deliveries(), MEMORY)
def test_order_does_not_matter(steps: list[Said | Mark], memory: int) -> None:
    """The same partials in another order, with memory or without, end the same."""
    said: list[Said | Mark] = [step for step in steps if isinstance(step, Said)]
    shuffled = sorted(said, key=repr)
    one, other = watched(steps, memory, BUDGETS), watched(shuffled, 1000, BUDGETS)
    assert one.statuses == other.statuses
    assert {a.alert_id for a in one.alerts} == {a.alert_id for a in other.alerts}
