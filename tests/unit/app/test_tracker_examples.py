"""What people expect of a tracker in a script, one test an example."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.tracking import CALL, ONE_CALL_USD, all_told

import litellm  # isort: skip - after its setting, which `tests.tracking` makes

from taximeter import BudgetExceeded, CostTracker, attribute, estimate
from taximeter_schemas.clock import ManualClock

llm: Any = litellm

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def _callbacks_of_its_own() -> Iterator[None]:
    yield
    llm.logging_callback_manager._reset_all_callbacks()


def a_tracker(**settings: Any) -> CostTracker:  # noqa: ANN401
    """Return a tracker that leaves the end of the tests alone."""
    return CostTracker(print_summary=False, **settings)


def test_a_budget_with_an_alert_and_an_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Calls go on as usual until the budget is gone; then the program hears of it."""

    def alert(tracker: CostTracker) -> None:
        print(f"over budget: ${tracker.total_cost:.4f}")

    tracker = a_tracker(budget=0.004, on_budget_exceeded=alert, raise_on_budget=True)
    llm.callbacks = [tracker]
    answers: list[str] = []
    try:
        while True:
            response = llm.completion(**CALL)
            answers.append(response.choices[0].message.content)
    except BudgetExceeded as stop:
        print(f"stopped at ${stop.spent:.4f} of ${stop.budget:.4f}")
    assert answers == [CALL["mock_response"]] * 3
    print(f"${tracker.total_cost:.4f} in {tracker.request_count} requests")
    assert capsys.readouterr().out.splitlines() == [
        "over budget: $0.0045",
        "stopped at $0.0045 of $0.0040",
        "$0.0045 in 3 requests",
    ]


def test_a_large_budget_is_never_felt() -> None:
    """One call within the budget is one call."""
    tracker = a_tracker(
        budget=5.00, raise_on_budget=True, on_budget_exceeded=pytest.fail
    )
    llm.callbacks = [tracker]
    llm.completion(**CALL)
    assert (tracker.request_count, tracker.budget_exceeded) == (1, False)
    assert (tracker.budget, tracker.total_cost) == (Decimal(5), ONE_CALL_USD)


def test_async_calls() -> None:
    """The total is there as soon as the answer is."""

    async def main() -> Decimal:
        tracker = a_tracker()
        llm.callbacks = [tracker]
        await llm.acompletion(**CALL)
        cost = tracker.total_cost
        await all_told()
        return cost

    assert asyncio.run(main()) == ONE_CALL_USD


def test_costs_by_model() -> None:
    """Each model has its own sum, under the name that the call gave it."""
    tracker = a_tracker()
    llm.callbacks = [tracker]
    for model in ("gpt-4", "gpt-3.5-turbo", "claude-sonnet-4-5", "gpt-4"):
        llm.completion(**CALL | {"model": model})
    costs = tracker.cost_by_model
    assert set(costs) == {"gpt-4", "gpt-3.5-turbo", "claude-sonnet-4-5"}
    assert costs["gpt-4"] == 2 * ONE_CALL_USD
    assert sum(costs.values()) == tracker.total_cost
    lines = [f"{model}: ${cost:.6f}" for model, cost in costs.items()]
    assert lines[0] == "gpt-4: $0.003000"


def test_the_constructor_and_the_properties() -> None:
    """Everything has a default, and a new tracker has seen nothing."""
    parameters = inspect.signature(CostTracker).parameters
    defaults = {name: parameters[name].default for name in list(parameters)[:4]}
    assert defaults == {
        "budget": None,
        "on_budget_exceeded": None,
        "raise_on_budget": False,
        "print_summary": True,
    }
    tracker = a_tracker()
    assert (tracker.total_cost, tracker.request_count) == (Decimal(0), 0)
    assert tracker.history == []
    assert (tracker.budget, tracker.budget_exceeded) == (None, False)
    assert tracker.cost_by_model == {}


def test_reset_clears_everything() -> None:
    """A tracker can be used again."""
    tracker = a_tracker(budget=0.001, raise_on_budget=True)
    llm.callbacks = [tracker]
    llm.completion(**CALL)
    assert tracker.budget_exceeded
    tracker.reset()
    assert (tracker.total_cost, tracker.budget_exceeded) == (Decimal(0), False)
    llm.completion(**CALL)
    assert tracker.request_count == 1


def test_the_history_has_each_call() -> None:
    """Model, tokens, cost and time of each."""
    tracker = a_tracker()
    llm.callbacks = [tracker]
    llm.completion(**CALL)
    (entry,) = tracker.history
    assert entry["model"] == "gpt-4"
    assert (entry["input_tokens"], entry["output_tokens"]) == (10, 20)
    assert entry["cost_usd"] == ONE_CALL_USD
    assert abs((datetime.now(UTC) - entry["occurred_at"]).total_seconds()) < 600  # noqa: TID251


def test_the_summary_at_the_end() -> None:
    """Total, requests, budget, what is left, each model and each request."""
    tracker = a_tracker(budget=0.01)
    llm.callbacks = [tracker]
    llm.completion(**CALL)
    llm.completion(**CALL | {"model": "gpt-3.5-turbo"})
    assert tracker.summary().splitlines() == [
        "LLM spend: $0.001535 in 2 calls",
        "  budget: $0.01, $0.008465 left",
        "  gpt-4          10 + 20 tokens  $0.0015",
        "  gpt-3.5-turbo  10 + 20 tokens  $0.000035",
        "  1. gpt-4  10 + 20 tokens  $0.0015",
        "  2. gpt-3.5-turbo  10 + 20 tokens  $0.000035",
    ]


def test_the_cost_of_one_answer() -> None:
    """An answer is priced once, by hand or by the callback."""
    tracker = a_tracker()
    response = llm.completion(**CALL)
    call = tracker.record_response(response)
    assert call is not None
    assert call["cost_usd"] == tracker.total_cost == ONE_CALL_USD


def test_the_cost_of_known_token_counts() -> None:
    """Nothing has to be called to know what it costs."""
    known = estimate(
        "anthropic/claude-sonnet-4-5", input_tokens=1000, max_output_tokens=500
    )
    assert known.cost_usd == Decimal("0.0105")


def test_costs_by_user_and_session() -> None:
    """Whom a call is for is said around it, and nothing is added up by hand."""
    tracker = a_tracker()
    llm.callbacks = [tracker]

    def tracked_completion(user: str, session: str) -> object:
        with attribute(user=user, session=session):
            return llm.completion(**CALL)

    tracked_completion("ada", "s-1")
    tracked_completion("ada", "s-2")
    tracked_completion("bob", "s-3")
    assert tracker.cost_by_user == {"ada": 2 * ONE_CALL_USD, "bob": ONE_CALL_USD}
    assert set(tracker.cost_by_session) == {"s-1", "s-2", "s-3"}
    assert tracker.cost_by_model == {"gpt-4": 3 * ONE_CALL_USD}


def test_limits_for_users_and_sessions_are_asked_before_a_call() -> None:
    """So much a day for each user, so much for each session."""
    clock = ManualClock(datetime(2026, 11, 22, 12, tzinfo=UTC))
    tracker = a_tracker(user_daily_budget=0.003, session_budget=0.0015, clock=clock)

    def safe_completion(user: str, session: str) -> None:
        tracker.check(user=user, session=session)
        response = llm.completion(**CALL)
        tracker.record_response(
            response, user_id=user, session_id=session, occurred_at=clock.now()
        )

    safe_completion("ada", "s-1")
    with pytest.raises(BudgetExceeded, match="session s-1"):
        safe_completion("ada", "s-1")
    safe_completion("ada", "s-2")
    with pytest.raises(BudgetExceeded, match="user ada on 2026-11-22"):
        safe_completion("ada", "s-3")
    safe_completion("bob", "s-4")


def test_a_report_by_model() -> None:
    """The dearest first, and the total."""
    tracker = a_tracker()
    llm.callbacks = [tracker]
    llm.completion(**CALL | {"model": "gpt-3.5-turbo"})
    llm.completion(**CALL)
    lines = [f"{model}: ${cost:.4f}" for model, cost in tracker.cost_by_model.items()]
    assert lines == ["gpt-4: $0.0015", "gpt-3.5-turbo: $0.0000"]
    assert f"{sum(tracker.cost_by_model.values()):.6f}" == "0.001535"
