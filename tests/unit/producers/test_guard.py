"""A guard lets calls pass, stops them, or names another model: by what it was told."""

from __future__ import annotations

import logging
import warnings
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from taximeter_producers.attribution import attribute, ignoring_budgets
from taximeter_producers.guard.budget_guard import BudgetGuard
from taximeter_producers.guard.outcomes import BudgetWarning
from taximeter_producers.guard.verdicts import Decision
from taximeter_schemas.budgets import (
    BudgetDefined,
    BudgetEvent,
    BudgetRemoved,
    BudgetStatus,
)
from taximeter_schemas.clock import ManualClock
from taximeter_schemas.errors import (
    BudgetExceeded,
    BudgetUnknown,
    ConfigurationError,
    TaximeterError,
)
from taximeter_schemas.subjects import Subject, subject_of
from tests.builders import NOON
from tests.guarding import TODAY, TOMORROW, a_budget, a_guard, a_plan, a_status

ADA = Subject("user", "ada")


def allows(guard: BudgetGuard, **asked: Any) -> bool:  # noqa: ANN401
    """Tell whether a call may be made."""
    try:
        guard.check(**asked)
    except TaximeterError:
        return False
    return True


def test_without_budgets_nothing_happens() -> None:
    """Every call may be made, of the model that is asked for."""
    guard, _ = a_guard([])

    assert guard.check(user="ada", model="gpt-4o") == Decision("gpt-4o")
    assert guard.stats().outcomes == {}


def test_an_exceeded_budget_says_what_there_is_to_say() -> None:
    """The error has the budget, whose it is, what was spent of what, and until when."""
    status = a_status(subject=ADA, spent_usd="5.25")
    guard, _ = a_guard([a_budget(scope={"user": "*"}, limit_usd="5"), status])

    with pytest.raises(BudgetExceeded) as caught:
        guard.check(user="ada", estimate_usd="0.5")

    error = caught.value
    assert (error.budget_id, error.subject) == ("b", ("user", "ada"))
    assert (error.limit, error.spent) == (Decimal(5), Decimal("5.25"))
    assert (error.estimate, error.resets_at) == (Decimal("0.5"), TOMORROW)
    assert str(error) == (
        "budget b: user ada has spent 5.25 of 5 USD, and 0.5 more are asked for: "
        "raise its limit, or wait until 2026-11-23 00:00 UTC"
    )
    assert allows(guard, user="bob")
    assert guard.stats().outcomes == {"exceeded": 1}


@pytest.mark.parametrize(
    ("spent", "estimate", "allowed"),
    [
        ("9.99", None, True),
        ("10", None, False),
        ("9", "1", True),
        ("9", "1.000000000001", False),
        ("9", 0.5, True),
        ("11", 0, True),
        ("0", "10", True),
        ("0", "11", False),
    ],
)
def test_a_limit_and_an_estimate(
    spent: str,
    estimate: str | float | None,
    allowed: bool,
) -> None:
    """A call that fits in may be made, a free one always; without room none."""
    guard, _ = a_guard([a_budget(), a_status(spent_usd=spent)])

    assert allows(guard, estimate_usd=estimate) is allowed


def test_a_limit_of_nothing_lets_nothing_be_spent() -> None:
    """Only free calls may be made."""
    guard, _ = a_guard([a_budget(limit_usd="0")])

    assert not allows(guard)
    assert allows(guard, estimate_usd=0)


def test_what_is_reserved_is_as_good_as_spent() -> None:
    """A promise to another call counts against the limit."""
    guard, _ = a_guard([a_budget(), a_status(spent_usd="8", reserved_usd="2")])

    assert not allows(guard)


def test_limits_in_tokens_and_calls() -> None:
    """Each is held against what it counts, and a free call is still a call."""
    tokens = a_budget(budget_id="tokens", limit_tokens=1000)
    calls = a_budget(budget_id="calls", limit_calls=5, scope={"user": "ada"})
    used = a_status(budget_id="tokens", tokens=900)
    made = a_status(budget_id="calls", subject=ADA, calls=5)
    guard, _ = a_guard([tokens, calls, used, made])

    assert allows(guard, estimate_tokens=100)
    with pytest.raises(BudgetExceeded, match="has spent 900 of 1000 tokens, and 101"):
        guard.check(estimate_tokens=101)
    with pytest.raises(BudgetExceeded, match="has spent 5 of 5 calls"):
        guard.check(user="ada", estimate_usd=0)


@pytest.mark.parametrize(
    ("scope", "asked"),
    [
        ({"user": "ada"}, {"user": "ada"}),
        ({"project": "p"}, {"project": "p"}),
        ({"session": "s"}, {"session": "s"}),
        ({"endpoint": "/e"}, {"endpoint": "/e"}),
        ({"provider": "openai"}, {"model": "openai/gpt-4o"}),
        ({"source": "shop"}, {"source": "shop"}),
        ({"api_key": "h"}, {"api_key_hash": "h"}),
        ({"tags": {"r&d": "yes"}}, {"tags": {"r&d": "yes"}}),
        ({"user": "*", "model": "gpt-4o"}, {"user": "ada", "model": "gpt-4o"}),
        ({"user": "unattributed"}, {}),
    ],
)
def test_a_budget_is_asked_about_its_subject(
    scope: dict[str, Any], asked: dict[str, Any]
) -> None:
    """Of whatever kind it is; a call that does not say it has nothing to do with it."""
    budget = a_budget(scope=scope)
    guard, feed = a_guard([budget])
    named = {k: "ada" if v == "*" else v for k, v in budget.scope.named().items()}
    assert allows(guard, **asked)

    feed.tell(a_status(subject=subject_of(named), spent_usd="10"))

    assert not allows(guard, **asked)
    assert allows(guard, user="somebody", model="else")


def test_exceptions_and_plans_are_heeded() -> None:
    """Who is excepted has no such limit, and a plan's is for those who are on it."""
    each = a_budget(scope={"user": "*", "exceptions": ["bob"]}, limit_usd="0")
    pro = a_budget(budget_id="pro", scope={"user": "*", "plan": "pro"}, limit_usd="0")
    guard, feed = a_guard([each])
    assert [allows(guard, user=name) for name in ("ada", "bob")] == [False, True]

    gone = BudgetRemoved(event_type="BudgetRemoved", budget_id="b", removed_at=NOON)
    feed.tell(gone, pro, a_plan("ada", "pro"))
    assert [allows(guard, user=name) for name in ("ada", "bob")] == [False, True]
    feed.tell(a_plan("*", "pro"), a_plan("ada", "free"))
    assert [allows(guard, user=name) for name in ("ada", "bob")] == [True, False]
    feed.tell(a_plan("ada", None))
    assert not allows(guard, user="ada")


def test_what_is_said_around_the_call_counts() -> None:
    """`attribute` blocks and the guard's own source stand in for what is not said."""
    budgets = [
        a_budget(budget_id="u", scope={"user": "ada"}, limit_usd="0"),
        a_budget(budget_id="t", scope={"tags": {"env": "dev"}}, limit_usd="0"),
        a_budget(budget_id="s", scope={"source": "shop"}, limit_usd="0"),
    ]
    guard, _ = a_guard(budgets[:2])

    with attribute(user="ada"):
        assert not allows(guard)
        assert allows(guard, user="bob")
    with attribute(tags={"env": "dev"}):
        assert not allows(guard, tags={"more": "tags"})
        assert allows(guard, tags={"env": "prod"})
    shop, _ = a_guard(budgets[2:], source="shop")
    assert not allows(shop)


def test_a_period_that_is_over_does_not_count() -> None:
    """Yesterday's spend is not today's; at midnight the budget is whole again."""
    clock = ManualClock(NOON)
    yesterday = a_status(
        spent_usd="99", period_start=TODAY - timedelta(days=1), period_end=TODAY
    )
    guard, feed = a_guard([a_budget(), yesterday], clock=clock)
    assert allows(guard)
    feed.tell(a_status(spent_usd="10"))
    assert not allows(guard)

    clock.move(timedelta(hours=12))

    assert allows(guard)


def test_a_late_status_of_yesterday_changes_nothing() -> None:
    """An event that arrives late moves yesterday's sum, and not today's."""
    guard, feed = a_guard([a_budget(), a_status(spent_usd="10")])

    feed.tell(a_status(period_start=TODAY - timedelta(days=1), period_end=TODAY))

    assert not allows(guard)


def test_a_rolling_period_counts_until_all_of_it_has_rolled_out() -> None:
    """Its last status ends at the present quarter; nobody says when nothing changes."""
    clock = ManualClock(NOON)
    rolling = a_status(
        period="rolling_day",
        period_start=NOON - timedelta(days=1),
        period_end=NOON,
        spent_usd="10",
    )
    guard, feed = a_guard([a_budget(period="rolling_day"), rolling], clock=clock)
    with pytest.raises(BudgetExceeded) as caught:
        guard.check()
    assert caught.value.resets_at is None
    clock.move(timedelta(hours=23))
    assert not allows(guard)
    clock.move(timedelta(hours=1))
    assert allows(guard)

    lower = rolling.model_copy(update={"spent_usd": Decimal(3)})
    clock.move(timedelta(hours=-20))
    feed.tell(lower)
    assert allows(guard)
    assert guard.stats().statuses == 1


def test_a_period_over_all_time_never_ends() -> None:
    """Its status has no bounds."""
    status = a_status(
        period="total", period_start=None, period_end=None, spent_usd="10"
    )
    guard, _ = a_guard([a_budget(period="total"), status])

    with pytest.raises(BudgetExceeded) as caught:
        guard.check()
    assert caught.value.resets_at is None


def test_a_budget_that_changed_is_not_held_against_its_former_self() -> None:
    """The limit is the one defined last, and a status of another period is not its."""
    guard, feed = a_guard([a_budget(), a_status(spent_usd="10", limit_usd="10")])
    assert not allows(guard)
    feed.tell(a_budget(limit_usd="20"))
    assert allows(guard)
    feed.tell(a_budget(period="month"))
    assert allows(guard)
    feed.tell(a_budget(scope={"user": "*"}))
    assert allows(guard)


def test_what_was_handed_on_makes_the_limit() -> None:
    """With rollover, the period's own limit is the one in its status."""
    budget = a_budget(rollover=["unused"])
    guard, feed = a_guard([budget, a_status(spent_usd="12", limit_usd="15")])
    assert allows(guard)
    feed.tell(a_status(spent_usd="15", limit_usd="15"))
    assert not allows(guard)


def test_a_budget_without_a_limit_stops_nothing() -> None:
    """It says how its subjects stand, and no more."""
    guard, _ = a_guard([a_budget(limit_usd=None), a_status(spent_usd="99")])

    assert allows(guard)
    assert guard.stats().budgets == 0


def test_a_status_that_was_taken_back_is_forgotten() -> None:
    """What a worker deletes was never said."""
    guard, feed = a_guard([a_budget(), a_status(spent_usd="10")])

    feed.told.standings.forget(b"b|all||2026-11-22T00:00:00+00:00")

    assert allows(guard)
    assert guard.stats().statuses == 0


def test_a_budget_that_warns_lets_calls_pass_and_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A Python warning and a line in the log, at most once a minute."""
    guard, _ = a_guard([a_budget(on_exceeded="warn"), a_status(spent_usd="10")])

    with pytest.warns(BudgetWarning, match="budget b: everybody has spent 10") as said:
        decisions = [guard.check(model="gpt-4o") for _ in range(5)]

    assert len(said) == len(caplog.records) == 1
    assert said[0].filename == __file__
    assert {d.reason for d in decisions} == {"warned"}
    assert decisions[0].model == "gpt-4o"
    assert guard.stats().outcomes == {"warned": 5}


def test_a_warning_that_is_made_an_error_stops_no_call() -> None:
    """The meter never hurts the call."""
    guard, _ = a_guard([a_budget(on_exceeded="warn"), a_status(spent_usd="10")])

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert guard.check().reason == "warned"


def _falls_back(**overrides: object) -> BudgetDefined:
    fields: dict[str, object] = {
        "scope": {"user": "ada"},
        "on_exceeded": "fallback",
        "fallback_model": "gpt-4o-mini",
    }
    return a_budget(**(fields | overrides))


def test_an_exceeded_budget_may_name_another_model() -> None:
    """The decision has it, and why; a call of it is let pass as it is."""
    guard, _ = a_guard([_falls_back(), a_status(subject=ADA, spent_usd="10")])

    decision = guard.check(user="ada", model="gpt-4o")

    assert (decision.model, decision.reason) == ("gpt-4o-mini", "fallback")
    assert decision.over[0].budget_id == "b"
    for model in ("gpt-4o-mini", "openai/gpt-4o-mini"):
        assert guard.check(user="ada", model=model).model is not None
    assert guard.check(user="ada", model="gpt-4o-mini").reason == "within"
    assert guard.check(user="bob", model="gpt-4o").model == "gpt-4o"


def test_the_fallback_is_held_against_its_own_budgets() -> None:
    """Where they have no room either, the call is not made."""
    own = a_budget(budget_id="mini", scope={"model": "gpt-4o-mini"}, limit_usd="0")
    guard, _ = a_guard([_falls_back(), own, a_status(subject=ADA, spent_usd="10")])

    with pytest.raises(BudgetExceeded) as caught:
        guard.check(user="ada", model="gpt-4o")

    assert caught.value.budget_id == "mini"


def test_a_fallback_of_a_fallback_is_not_followed() -> None:
    """One step, and no loop: a fallback that would fall back stops the call."""
    back = _falls_back(
        budget_id="mini",
        scope={"model": "gpt-4o-mini"},
        fallback_model="gpt-4o",
        limit_usd="0",
    )
    guard, _ = a_guard([_falls_back(), back, a_status(subject=ADA, spent_usd="10")])

    with pytest.raises(BudgetExceeded) as caught:
        guard.check(user="ada", model="gpt-4o")

    assert caught.value.budget_id == "mini"


def test_a_budget_that_blocks_the_model_only_does_not_block_the_fallback() -> None:
    """What counts is the call that will be made."""
    model = a_budget(budget_id="a", scope={"model": "gpt-4o"}, limit_usd="0")
    user = a_budget(budget_id="c", scope={"user": "ada"}, limit_usd="0")
    guard, feed = a_guard([_falls_back(limit_usd="0"), model])

    assert guard.check(user="ada", model="gpt-4o").model == "gpt-4o-mini"
    feed.tell(user)
    with pytest.raises(BudgetExceeded) as caught:
        guard.check(user="ada", model="gpt-4o")
    assert caught.value.budget_id == "c"


def test_that_a_call_is_free_says_nothing_of_the_fallback() -> None:
    """Nobody said what that costs, so its limits hold."""
    calls = _falls_back(limit_usd=None, limit_calls=0)
    own = a_budget(budget_id="mini", scope={"model": "gpt-4o-mini"}, limit_usd="0")
    guard, _ = a_guard([calls, own])

    assert not allows(guard, user="ada", model="local", estimate_usd=0)


def test_two_fallbacks_are_tried_in_turn() -> None:
    """The second is taken where the first has no room; both budgets are content."""
    first = _falls_back(limit_usd="0")
    second = _falls_back(budget_id="c", limit_usd="0", fallback_model="haiku")
    own = a_budget(budget_id="mini", scope={"model": "gpt-4o-mini"}, limit_usd="0")
    guard, feed = a_guard([second, first])
    assert guard.check(user="ada", model="gpt-4o").model == "gpt-4o-mini"
    feed.tell(own)
    assert guard.check(user="ada", model="gpt-4o").model == "haiku"


def test_without_news_each_budget_does_what_it_chose(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One that fails open lets calls pass and says so, one that fails closed none."""
    open_ = a_budget(budget_id="open", scope={"user": "ada"})
    closed = a_budget(
        budget_id="closed", scope={"user": "bob"}, when_unknown="fail_closed"
    )
    guard, feed = a_guard([open_, closed], age=31)

    decision = guard.check(user="ada")
    assert (decision.reason, decision.unknown) == ("unknown", ("open",))
    assert guard.check(user="ada").reason == "unknown"
    with pytest.raises(BudgetUnknown, match="how budget closed stands: nothing has"):
        guard.check(user="bob")
    assert guard.check(user="grace").reason == "within"
    assert guard.stats().outcomes == {"unknown": 2, "unknown_refused": 1}
    assert [r.levelno for r in caplog.records] == [logging.WARNING]

    feed.tell()
    assert allows(guard, user="bob")


def test_what_is_exceeded_stays_so_without_news() -> None:
    """Spend of a period does not shrink; when the period is over, nobody knows."""
    clock = ManualClock(NOON)
    exceeded = a_status(spent_usd="10")
    guard, _ = a_guard([a_budget(), exceeded], age=31, clock=clock)

    with pytest.raises(BudgetExceeded):
        guard.check()
    clock.move(timedelta(hours=12))
    assert guard.check().reason == "unknown"


def test_before_any_news_the_guard_itself_chooses() -> None:
    """Nobody knows which budgets there are, so none of them can say."""
    opened, _ = a_guard(None)
    closed, feed = a_guard(None, when_unknown="fail_closed")

    assert opened.check(model="m") == Decision("m", "unknown")
    with pytest.raises(BudgetUnknown, match="nobody knows the budgets: nothing has"):
        closed.check()
    assert not closed.wait(0.01)
    feed.tell()
    assert closed.wait(0.01)
    assert allows(closed)


def test_a_budget_can_be_ignored_for_a_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The call is made as it was asked for, and each time the log says why."""
    exceeded = a_status(subject=ADA, spent_usd="10")
    other = a_budget(budget_id="c", limit_usd="0")
    known: list[BudgetEvent | BudgetStatus] = [_falls_back(), other, exceeded]
    guard, _ = a_guard(known)

    asked: dict[str, Any] = {
        "user": "ada",
        "model": "gpt-4o",
        "ignore_budget": "incident 42",
    }
    decision = guard.check(**asked)
    assert guard.check(**asked) is not decision
    with ignoring_budgets("incident 43"):
        assert guard.check(user="ada", model="gpt-4o").ignored == "incident 43"

    assert (decision.model, decision.reason) == ("gpt-4o", "ignored")
    assert [one.budget_id for one in decision.over] == ["b", "c"]
    assert len(caplog.records) == 3
    assert "incident 42" in caplog.text
    assert guard.check(model="m", ignore_budget="x", user="z", estimate_usd=0) == (
        Decision("m")
    )


def test_a_tag_ignores_no_budget() -> None:
    """Whoever may name tags may not lift limits."""
    guard, _ = a_guard([a_budget(limit_usd="0")])

    with attribute(tags={"budget_ignored": "me"}):
        assert not allows(guard, tags={"budget_ignored": "me"})


@pytest.mark.parametrize("estimate", ["much", -1, True, float("nan")])
def test_an_estimate_that_is_no_amount_is_an_error(estimate: Any) -> None:  # noqa: ANN401
    """It is a mistake of the program, and not a call for free."""
    guard, _ = a_guard([])

    with pytest.raises(ConfigurationError, match="estimate_usd"):
        guard.check(estimate_usd=estimate)


def test_what_is_over_is_let_go() -> None:
    """A guard that lives for long does not remember every session of every day."""
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    guard, feed = a_guard([], clock=clock)
    for day in range(3):
        for n in range(6_000):
            start = clock.moment
            status = a_status(
                subject=Subject("session", f"{day}-{n}"),
                period_start=start,
                period_end=start + timedelta(days=1),
            )
            feed.told.standings.take(f"{day}-{n}".encode(), status, start)
        clock.move(timedelta(days=1))

    assert guard.stats().statuses <= 12_000


def test_a_guard_over_http_does_not_reserve() -> None:
    """It says where that is asked for."""
    guard = BudgetGuard(url="http://127.0.0.1:9")

    with guard, pytest.raises(ConfigurationError, match="POST /v1/reservations"):
        guard.reserve(1)


def test_a_guard_must_know_where_to_ask() -> None:
    """Neither an address nor a setting: that is said at once."""
    with pytest.raises(ConfigurationError, match="TAXIMETER_BOOTSTRAP"):
        BudgetGuard()
    with pytest.raises(ConfigurationError, match="no address"):
        BudgetGuard(url="kafka:9092")


def test_a_closed_guard_goes_on_with_what_it_knows() -> None:
    """Its feed is stopped, once."""
    guard, feed = a_guard([a_budget(limit_usd="0")])

    with guard:
        pass

    assert feed.stopped
    assert not allows(guard)
