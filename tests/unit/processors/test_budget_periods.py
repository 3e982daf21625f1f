"""Budgets that roll, hand on, or are for those on a plan, by example."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from taximeter_schemas.budgets import BudgetDefined, PlanAssigned
from taximeter_schemas.subjects import Scope, Subject
from tests.builders import NOON
from tests.unit.processors.watched_budgets import Watched, a_budget, spent

TOMORROW = NOON + timedelta(days=1)


def assigned(plan: str | None, user: str = "alice") -> PlanAssigned:
    """Return that a user is on a plan now."""
    return PlanAssigned(
        event_type="PlanAssigned", user_id=user, plan=plan, assigned_at=NOON
    )


def plan_budget(plan: str, limit_usd: str) -> BudgetDefined:
    """Return what each user on a plan may spend a day."""
    scope = Scope(user="*", plan=plan)
    return a_budget(budget_id=plan, scope=scope, limit_usd=limit_usd)


def limits(watched: Watched) -> list[Decimal | None]:
    """Return the limits that the statuses say, in the order of their periods."""
    return [watched.statuses[key].limit_usd for key in sorted(watched.statuses)]


def test_what_was_left_is_handed_on() -> None:
    """A day that spent 4 of 10 USD leaves the next one 16."""
    watched = Watched(a_budget(rollover=("unused",), defined_at=NOON))
    watched.takes(spent("4"), spent("1", at=TOMORROW))
    assert limits(watched) == [10, 16]


def test_a_late_call_takes_from_what_was_handed_on() -> None:
    """The next day's limit follows, though nothing more was spent in it."""
    watched = Watched(a_budget(rollover=("unused",), defined_at=NOON))
    assert watched.takes(spent("4"), spent("9", at=TOMORROW)) == [50]
    assert sorted(watched.takes(spent("9", 1))) == [50, 80, 80, 90]
    assert limits(watched) == [10, 11]


def test_what_was_overspent_is_owed() -> None:
    """12 USD spent of 10 leave 8 for the next day; an unused rest is not handed on."""
    watched = Watched(a_budget(rollover=("overspent",), defined_at=NOON))
    watched.takes(spent("12"), spent("1", at=TOMORROW))
    watched.takes(spent("1", at=TOMORROW + timedelta(days=1)))
    assert limits(watched) == [10, 8, 10]


def test_a_debt_larger_than_the_limit_leaves_nothing() -> None:
    """The limit does not become negative, and the rest stays owed."""
    watched = Watched(a_budget(rollover=("overspent",), defined_at=NOON))
    watched.takes(spent("25"), spent("0", at=TOMORROW))
    watched.takes(spent("0", at=TOMORROW + timedelta(days=1)))
    assert limits(watched) == [10, 0, 5]


def test_a_rolling_day_forgets_what_is_older() -> None:
    """After 24 hours a window counts no more, though nobody spends anything."""
    watched = Watched(a_budget(period="rolling_day"))
    watched.takes(spent("4"), spent("3", at=NOON + timedelta(hours=3)))
    said = []
    for later in (3, 23.75, 24, 26.75, 27):
        watched.book.tick(NOON + timedelta(hours=later))
        assert watched.book.has_changed
        watched.flush(NOON + timedelta(hours=later))
        said += [status.spent_usd for status in watched.statuses.values()]
    assert said == [7, 7, 3, 3, 0]


def test_a_rolling_month_is_thirty_days() -> None:
    """What was spent in the last thirty days counts, whatever the calendar says."""
    watched = Watched(a_budget(period="rolling_month"))
    watched.takes(spent("4"), spent("3", at=NOON + timedelta(days=10)))
    said = []
    for days in (10, 29.9, 30, 39.9, 40):
        watched.book.tick(NOON + timedelta(days=days))
        watched.flush(NOON + timedelta(days=days))
        said += [status.spent_usd for status in watched.statuses.values()]
    assert said == [7, 7, 3, 3, 0]


def test_a_rolling_day_alerts_once_a_day() -> None:
    """One alert a threshold and calendar day while the sum stays above it."""
    watched = Watched(a_budget(period="rolling_day", thresholds_percent=(50,)))
    assert watched.takes(spent("6")) == [50]
    assert watched.takes(spent("1", at=NOON + timedelta(hours=1))) == []
    assert watched.takes(spent("1", at=NOON + timedelta(hours=13))) == [50]
    assert watched.takes(spent("1", at=NOON + timedelta(hours=40))) == []


def test_a_late_call_raises_what_it_makes_true_later() -> None:
    """A late call of the morning can make the sum of the evening pass a threshold."""
    watched = Watched(a_budget(period="rolling_hour", thresholds_percent=(100,)))
    assert watched.takes(spent("6", at=NOON + timedelta(minutes=45))) == []
    assert watched.takes(spent("5", at=NOON)) == [100]
    assert watched.alerts[0].period_end == NOON + timedelta(hours=1)


def test_another_plan_is_another_limit() -> None:
    """Who is moved to another plan is counted there with all that was spent."""
    free, pro = plan_budget("free", "1"), plan_budget("pro", "20")
    watched = Watched(free, pro)
    watched.book.learn(assigned("free", "*"))
    assert watched.takes(spent("2")) == [50, 80, 90, 100]
    watched.book.learn(assigned("pro"))
    assert watched.book.has_changed
    assert watched.takes(spent("11", 1)) == [50]
    assert [s.budget_id for s in watched.statuses.values()] == ["pro"]
    watched.book.learn(assigned(None))
    watched.flush()
    assert [s.budget_id for s in watched.statuses.values()] == ["free"]


def test_an_alert_of_a_closed_period_says_that_it_is_late() -> None:
    """A call that becomes known after its day's end raises a late alert."""
    watched = Watched(a_budget())
    watched.book.take(0, spent("6"))
    watched.flush(TOMORROW)
    assert [alert.late for alert in watched.alerts] == [True]


def test_limits_in_calls_and_tokens() -> None:
    """An alert says the limit and the spend in the unit, and what it cost."""
    calls = a_budget(budget_id="c", limit_usd=None, limit_calls=1)
    watched = Watched(calls, a_budget(budget_id="none", limit_usd=None))
    assert watched.takes(spent("6")) == [50, 80, 90, 100]
    alert = watched.alerts[-1]
    assert (alert.limit_calls, alert.calls, alert.limit_usd) == (1, 1, None)
    unlimited = next(s for s in watched.statuses.values() if s.budget_id == "none")
    assert (unlimited.state, unlimited.remaining_usd) == ("within", None)


def test_only_the_combination_counts() -> None:
    """A budget for one user's calls of one model takes that pair's spend alone."""
    watched = Watched(a_budget(scope=Scope(user="alice", model="gpt-4o")))
    pair = Subject("user&model", '["alice","gpt-4o"]')
    watched.takes(spent("9"), spent("2", subject=pair))
    assert [s.spent_usd for s in watched.statuses.values()] == [2]
