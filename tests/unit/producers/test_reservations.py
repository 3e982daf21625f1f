"""Reservations without Kafka: what a block does, and which budgets it asks."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from taximeter_producers.attribution import (
    Attribution,
    attribute,
    current_attribution,
    ignoring_budgets,
    usage_recorded,
)
from taximeter_producers.call_names import call_names
from taximeter_producers.guard.asked import asked_for
from taximeter_producers.provider_usage import usage_not_understood
from taximeter_producers.reservations import Reservations, Reserving
from taximeter_producers.reservations.covering import Blocking
from taximeter_producers.reservations.desk import Granted, Request, denied_by
from taximeter_schemas.budgets import BudgetDefined, BudgetRemoved, PlanAssigned
from taximeter_schemas.errors import (
    BudgetExceeded,
    ConfigurationError,
    ReservationDenied,
    ReservationUnanswered,
    UsageUnreadable,
)
from taximeter_schemas.reservations import ReservationAnswered
from taximeter_schemas.subjects import Scope, Subject
from taximeter_schemas.usage import Usage
from tests.builders import NOON, an_id

NOBODY = "127.0.0.1:1"
CALL: dict[str, Any] = {"provider": "acme", "model": "m", "usage": Usage()}
HELD = Granted(partitions=frozenset({2}))


class Owners:
    """Grant everything, and note what is asked and released."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.released: list[UUID] = []

    def reserving(self) -> Reserving:
        """Return a reservation that is about to be made."""
        request = Request(an_id(), Decimal(1), 600, {})
        return Reserving(self._ask, self._release, request)

    def _ask(self, request: Request) -> Future[Granted]:
        answer: Future[Granted] = Future()
        if self.error is None:
            answer.set_result(HELD)
        else:
            answer.set_exception(self.error)
        return answer

    def _release(self, reservation_id: UUID, granted: Granted) -> None:
        assert granted is HELD
        self.released.append(reservation_id)


def a_budget(**overrides: object) -> BudgetDefined:
    """Return a budget of 10 USD a day for Alice."""
    fields: dict[str, object] = {
        "budget_id": "alice",
        "scope": Scope(user="alice"),
        "period": "day",
        "limit_usd": "10",
        "defined_at": NOON,
    }
    return BudgetDefined.model_validate(fields | overrides)


def test_the_event_of_the_block_names_the_reservation() -> None:
    """What is built inside settles it, and so it is not released."""
    owners = Owners()
    with attribute(user="ada"), owners.reserving() as reservation:
        event = usage_recorded(**CALL)
    assert event.reservation_id == reservation.reservation_id
    assert event.user_id == "ada"
    assert owners.released == []
    assert usage_recorded(**CALL).reservation_id is None


async def test_a_block_without_an_event_releases() -> None:
    """Nothing was made of it, with or without an error: it is given back once."""
    owners = Owners()
    with owners.reserving() as first:
        pass
    assert owners.released == [first.reservation_id]
    with pytest.raises(RuntimeError):
        async with owners.reserving():
            raise RuntimeError("the provider is away")
    assert len(owners.released) == 2


def noted() -> None:
    """Note whom a call is for, as a callback does when it begins."""
    current_attribution().take_reservation()


@pytest.mark.parametrize("begins", [noted, None])
def test_an_event_that_comes_later_keeps_the_reservation(
    begins: Callable[[], None] | None,
) -> None:
    """Whoever says that an event will come is believed."""
    owners = Owners()
    with owners.reserving() as reservation:
        (begins or reservation.keep)()
    assert owners.released == []


def test_a_usage_that_nobody_understands_settles_nothing() -> None:
    """It is charged nothing, and its event has no such field."""
    error = UsageUnreadable("acme", "usage.input", "is -1", {})
    with Owners().reserving():
        assert usage_not_understood(error, provider="acme", model="m").model == "m"


def test_who_is_refused_does_not_enter_the_block() -> None:
    """A refusal is a `BudgetExceeded`, and says by which budget and by how much."""
    denied = ReservationDenied(
        "daily",
        ("user", "ada"),
        spent=Decimal(9),
        reserved=Decimal("0.5"),
        limit=Decimal(10),
        estimate=Decimal(1),
    )
    owners = Owners(denied)
    with pytest.raises(BudgetExceeded, match="no room for 1 USD: 9 are spent"):
        owners.reserving().__enter__()
    assert current_attribution() == Attribution()


def covering(*events: object, **whom: object) -> list[tuple[str, Subject]]:
    """Return which budgets are asked for a call, and about whom."""
    blocking = Blocking()
    for event in events:
        assert isinstance(event, BudgetDefined | BudgetRemoved | PlanAssigned)
        blocking.learn(event.model_dump_json().encode())
    blocking.learn(b"no budget")
    call = call_names(Attribution(user_id="alice"), **whom)  # type: ignore[arg-type]
    asked = blocking.covering(call, NOON)
    return [(one.budget.budget_id, one.subject) for one in asked]


def test_budgets_that_stop_the_call_are_asked() -> None:
    """With a limit, blocking, about the call, in force: and no others."""
    pair = Scope(user="*", model="m")
    hour = timedelta(hours=1)
    fixed = {"period": "fixed", "starts_at": NOON - 2 * hour}
    asked = covering(
        a_budget(),
        a_budget(budget_id="pair", scope=pair),
        a_budget(budget_id="bob", scope=Scope(user="bob")),
        a_budget(budget_id="not-alice", scope=Scope(user="*", exceptions=("alice",))),
        a_budget(budget_id="session", scope=Scope(session="*")),
        a_budget(budget_id="warns", on_exceeded="warn"),
        a_budget(budget_id="tokens", limit_usd=None, limit_tokens=5),
        a_budget(budget_id="calls", limit_usd=None, limit_calls=5),
        a_budget(budget_id="unlimited", limit_usd=None),
        a_budget(budget_id="over", ends_at=NOON - hour, **fixed),
        a_budget(budget_id="now", ends_at=NOON + hour, **fixed),
        a_budget(budget_id="gone"),
        BudgetRemoved(event_type="BudgetRemoved", budget_id="gone", removed_at=NOON),
        model="m",
    )
    assert asked == [
        ("alice", Subject("user", "alice")),
        ("pair", Subject("user&model", '["alice","m"]')),
        ("tokens", Subject("user", "alice")),
        ("calls", Subject("user", "alice")),
        ("now", Subject("user", "alice")),
    ]


def on(user: str, plan: str | None) -> PlanAssigned:
    """Put a user on a plan."""
    return PlanAssigned(
        event_type="PlanAssigned", user_id=user, plan=plan, assigned_at=NOON
    )


def test_a_plan_is_for_those_who_are_on_it() -> None:
    """One's own plan, else that of everybody else."""
    pro = a_budget(budget_id="pro", scope=Scope(user="*", plan="pro"))
    free = a_budget(budget_id="free", scope=Scope(user="*", plan="free"))
    plans = pro, free, on("*", "free"), on("alice", "pro")
    assert [budget for budget, _ in covering(*plans)] == ["pro"]
    assert [budget for budget, _ in covering(*plans, user="bob")] == ["free"]
    back = covering(*plans, on("alice", None))
    assert [budget for budget, _ in back] == ["free"]


def test_without_kafka_the_choice_is_the_callers() -> None:
    """Open: the call goes on, nothing is held. Closed: it is refused. Free: it goes."""
    with Reservations(NOBODY, timeout_seconds=0.1) as opened, opened.reserve(1) as made:
        assert not made.granted.answers
    closed = Reservations(NOBODY, timeout_seconds=0.1, when_unknown="fail_closed")
    with closed:
        with pytest.raises(ReservationUnanswered, match="for any budget within"):
            closed.reserve("0.01").__enter__()
        with closed.reserve(0):
            pass


def test_an_estimate_is_rounded_up() -> None:
    """What has more than 12 places is never taken for less than it is."""
    with Reservations(NOBODY, timeout_seconds=0.1) as opened:
        made = opened.reserve(Decimal("1e-13"))
        with made as reservation:
            assert reservation.estimate_usd == Decimal("0.000000000001")


def an_answer(**overrides: object) -> ReservationAnswered:
    """Return an answer that denies 2 of a limit of 10, of which 9 are spent."""
    fields: dict[str, object] = {
        "reservation_id": an_id(),
        "budget_id": "pair",
        "subject_kind": "user&model",
        "subject_id": '["ada","gpt-4o"]',
        "outcome": "denied",
        "unit": "tokens",
        "estimate": 2,
        "spent": 9,
        "limit": 10,
        "answered_at": NOON,
    }
    return ReservationAnswered.model_validate(fields | overrides)


def test_a_refusal_says_whose_limit_it_is_and_in_what() -> None:
    """Also where the subject is a combination, the limit in tokens, or all is gone."""
    refusal = denied_by(an_answer())
    assert refusal.subject == ("user&model", "ada", "gpt-4o")
    assert refusal.unit == "tokens"
    assert refusal.limit - refusal.spent == 1
    assert refusal.spent_usd == refusal.limit_usd == 0
    assert "pair has no room for 2 tokens: 9 are spent" in str(refusal)
    gone = denied_by(an_answer(estimate=0, subject_kind="all", subject_id=""))
    assert gone.subject == ("all",)
    assert str(gone).startswith("budget pair has no tokens left: 9 are spent")


@pytest.mark.parametrize(
    "said",
    [
        {"model": "openai/gpt-4o", "user": "ada"},
        {"model": "org/m", "provider": "together_ai", "tags": {"team": 7, "": "x"}},
        {"user": "x" * 300, "session": "s-1", "tags": {str(n): n for n in range(40)}},
    ],
)
def test_both_guards_read_a_call_alike(said: dict[str, Any]) -> None:
    """What is asked from memory and what is reserved is the same call."""
    with attribute(project="search", tags={"env": "prod"}):
        with Reservations(NOBODY, timeout_seconds=0.1) as reservations:
            reserving = reservations.reserve("1", **said)
        asked = asked_for(**said)
    assert reserving.request.call == asked.named
    assert asked.named["project"] == "search"


def test_a_call_that_ignores_budgets_holds_nothing() -> None:
    """It passes at once, although nobody answers; its event says why."""
    closed = Reservations(NOBODY, timeout_seconds=60, when_unknown="fail_closed")
    with closed, ignoring_budgets("incident 42"), closed.reserve("0.01") as made:
        assert made.granted == Granted()
        assert usage_recorded(**CALL).tags == {"budget_ignored": "incident 42"}


@pytest.mark.parametrize("estimate", [{"estimate_usd": "-1"}, {"estimate_tokens": -1}])
def test_an_estimate_that_is_none_is_refused(estimate: dict[str, Any]) -> None:
    """Whoever asks is told, before anybody else is."""
    with (
        Reservations(NOBODY) as reservations,
        pytest.raises(ConfigurationError, match="from 0 on"),
    ):
        reservations.reserve(**estimate)
