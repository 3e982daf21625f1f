"""The tracker counts what it is told, exactly, and says when a limit is reached."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from taximeter.tracker.call_tracker import CallTracker
from taximeter_processors.pricing import PriceBook
from taximeter_producers.attribution import attribute
from taximeter_producers.emitter import MemoryEmitter
from taximeter_schemas.clock import ManualClock
from taximeter_schemas.errors import BudgetExceeded, ConfigurationError
from taximeter_schemas.usage import Usage, UsageCorrected, UsageNotUnderstood
from tests.builders import NOON, a_usage, an_id

PRICES: dict[str, dict[str, object]] = {
    "claude-sonnet-4-5": {
        "litellm_provider": "anthropic",
        "input_cost_per_token": Decimal("0.000003"),
        "output_cost_per_token": Decimal("0.000015"),
    },
    "vllm/tiny": {
        "litellm_provider": "vllm",
        "input_cost_per_token": 0,
        "output_cost_per_token": 0,
    },
}
BOOK = PriceBook(PRICES, "tests-1")

# a_usage(): 1,000 and 200 tokens at 3 and 15 USD a million.
ONE = Decimal("0.006")
NOTHING = Decimal(0)


def a_tracker(**settings: Any) -> CallTracker:  # noqa: ANN401
    """Return a tracker that prints nothing and knows two models."""
    settings.setdefault("prices", BOOK)
    return CallTracker(print_summary=False, **settings)


def test_a_call_is_priced_exactly() -> None:
    """The total is a decimal, and the history says what it is made of."""
    tracker = a_tracker()
    tracker.record(a_usage(session_id="s-1"))
    assert tracker.total_cost == ONE
    assert (tracker.request_count, tracker.unpriced_count) == (1, 0)
    (call,) = tracker.history
    assert (call["model"], call["user_id"]) == ("claude-sonnet-4-5", "alice")
    assert (call["input_tokens"], call["output_tokens"]) == (1000, 200)
    assert (call["cost_usd"], call["occurred_at"]) == (ONE, NOON)


def test_costs_are_kept_by_model_user_session_and_project() -> None:
    """Each of them adds up to the total."""
    tracker = a_tracker()
    tracker.record(a_usage(user_id="ada", session_id="s-1"))
    tracker.record(a_usage(user_id="ada", session_id="s-2", project_id="other"))
    tracker.record(a_usage(user_id="bob", session_id="s-1"))
    assert tracker.cost_by_user == {"ada": 2 * ONE, "bob": ONE}
    assert tracker.cost_by_session == {"s-1": 2 * ONE, "s-2": ONE}
    assert tracker.cost_by_project == {"search": 2 * ONE, "other": ONE}
    assert tracker.cost_by_model == {"claude-sonnet-4-5": 3 * ONE}


def test_an_event_counts_once() -> None:
    """The same id again changes nothing, here and behind the emitter."""
    emitter = MemoryEmitter()
    tracker = a_tracker(emitter=emitter)
    event = a_usage()
    assert tracker.record(event) is not None
    assert tracker.record(event) is None
    assert tracker.total_cost == ONE
    assert emitter.sent == [event]


def test_many_threads_lose_nothing() -> None:
    """Eight threads' calls add up to the last digit, and the alert comes once."""
    told: list[CallTracker] = []
    tracker = a_tracker(budget=1, on_budget_exceeded=told.append)

    def spend() -> None:
        for _ in range(250):
            tracker.record(a_usage(usage=Usage(text_input_tokens=333)))

    threads = [threading.Thread(target=spend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tracker.total_cost == 2000 * Decimal("0.000999")
    assert tracker.request_count == 2000
    assert told == [tracker]


def test_unpriced_is_not_free() -> None:
    """A call without a known price is in no cost, is counted, and is shown."""
    tracker = a_tracker()
    tracker.record(a_usage(provider="acme", model="x"))
    tracker.record(a_usage())
    assert (tracker.request_count, tracker.unpriced_count) == (2, 1)
    assert tracker.unpriced_by_model == {"acme/x": 1}
    assert tracker.history[0]["cost_usd"] is None
    assert "x" not in tracker.cost_by_model
    assert "unpriced: 1 call of acme/x, not in the total" in tracker.summary()


def test_a_failed_call_that_used_nothing_is_counted_apart() -> None:
    """It is no request; one that had used something is."""
    tracker = a_tracker()
    tracker.record(a_usage(status="error", error_type="Timeout", usage=Usage()))
    tracker.record(a_usage(status="error", error_type="Timeout"))
    assert (tracker.failed_count, tracker.request_count) == (1, 1)
    assert tracker.total_cost == ONE


def test_a_correction_adds_its_difference() -> None:
    """The total is what the call truly cost; it is still one request."""
    tracker = a_tracker()
    event = a_usage()
    tracker.record(event)
    facts = event.model_dump(include={"provider", "model", "occurred_at", "user_id"})
    corrected = UsageCorrected(
        event_type="UsageCorrected",
        event_id=an_id(),
        corrects=event.event_id,
        old_usage=event.usage,
        new_usage=Usage(text_input_tokens=500, text_output_tokens=200),
        reason="counted again",
        **facts,
    )
    tracker.record(corrected)
    assert tracker.total_cost == ONE - Decimal("0.0015")
    assert tracker.request_count == 1
    assert tracker.history[1]["status"] == "corrected"


@pytest.mark.parametrize("budget", ["0.006", 0.006, Decimal("0.006")])
def test_a_reached_budget_is_told_once(budget: Decimal | float | str) -> None:
    """What is exactly spent is gone, however the budget was written."""
    told: list[Decimal] = []
    tracker = a_tracker(
        budget=budget, on_budget_exceeded=lambda t: told.append(t.total_cost)
    )
    assert (tracker.budget, tracker.budget_exceeded) == (Decimal("0.006"), False)
    tracker.record(a_usage())
    assert (tracker.budget_exceeded, tracker.remaining) == (True, NOTHING)
    tracker.record(a_usage())
    assert told == [ONE]


def test_what_the_callback_raises_reaches_nobody() -> None:
    """The call that was counted is not hurt by it."""

    def fails(_: object) -> None:
        raise RuntimeError

    tracker = a_tracker(budget=0, on_budget_exceeded=fails)
    tracker.record(a_usage())
    assert tracker.total_cost == ONE


def test_a_check_before_a_call_raises_once_the_budget_is_gone() -> None:
    """The error says what the limit is and what was spent."""
    tracker = a_tracker(budget="0.01")
    tracker.record(a_usage())
    tracker.check(model="claude-sonnet-4-5")
    tracker.record(a_usage())
    with pytest.raises(BudgetExceeded, match=r"spent 0\.012 USD of a budget of 0\.01"):
        tracker.check(model="claude-sonnet-4-5", provider="anthropic")
    assert tracker.refused_count == 1


def test_a_budget_of_nothing_lets_nothing_be_spent() -> None:
    """The first call is refused, unless its model is free."""
    tracker = a_tracker(budget=0)
    assert not tracker.budget_exceeded
    tracker.check(model="vllm/tiny")
    tracker.record(a_usage(provider="vllm", model="tiny"))
    assert not tracker.budget_exceeded
    with pytest.raises(BudgetExceeded) as caught:
        tracker.check(model="anthropic/claude-sonnet-4-5")
    assert (caught.value.budget, caught.value.spent) == (NOTHING, NOTHING)


def test_a_free_model_is_never_refused() -> None:
    """A price of 0 is a price; a model without one is not free."""
    tracker = a_tracker(budget="0.001", user_budget="0.001", model_budget="0.001")
    tracker.record(a_usage(user_id="ada"))
    tracker.check(user="ada", model="tiny", provider="vllm")
    with pytest.raises(BudgetExceeded):
        tracker.check(user="ada", model="huge", provider="vllm")
    with pytest.raises(BudgetExceeded):
        tracker.check(user="ada")


def test_limits_are_for_each_user_session_and_model() -> None:
    """One that is used up does not stop the others."""
    tracker = a_tracker(user_budget="0.01", session_budget="0.006", model_budget="0.02")
    tracker.record(a_usage(user_id="ada", session_id="s-1"))
    tracker.check(user="ada", session="s-2", model="claude-sonnet-4-5")
    with pytest.raises(BudgetExceeded) as caught:
        tracker.check(user="ada", session="s-1")
    assert caught.value.subject == ("session", "s-1")
    tracker.record(a_usage(user_id="ada", session_id="s-2"))
    with attribute(user="ada"), pytest.raises(BudgetExceeded) as caught:
        tracker.check(session="s-3")
    assert caught.value.subject == ("user", "ada")
    tracker.record(a_usage(user_id="bob"))
    tracker.record(a_usage(user_id="bob"))
    with pytest.raises(BudgetExceeded) as caught:
        tracker.check(model="anthropic/claude-sonnet-4-5")
    assert caught.value.subject == ("model", "claude-sonnet-4-5")


def test_calls_of_nobody_fall_under_no_users_limit() -> None:
    """What is not attributed only counts for everything."""
    tracker = a_tracker(user_budget="0.001")
    tracker.record(a_usage(user_id="unattributed"))
    tracker.check()
    tracker.check(user="unattributed")


def test_a_users_day_ends_at_midnight_of_its_zone() -> None:
    """What was spent yesterday does not count today."""
    clock = ManualClock(datetime(2026, 11, 22, 22, 30, tzinfo=UTC))
    tracker = a_tracker(
        user_daily_budget="0.006", time_zone="Europe/Berlin", clock=clock
    )
    tracker.record(a_usage(user_id="ada", occurred_at=clock.now()))
    with pytest.raises(BudgetExceeded) as caught:
        tracker.check(user="ada")
    assert caught.value.subject == ("user_day", "ada", "2026-11-22")
    assert "user ada on 2026-11-22 has spent" in str(caught.value)
    clock.move(timedelta(minutes=30))
    tracker.check(user="ada")
    tracker.record(a_usage(user_id="ada", occurred_at=clock.now()))
    with pytest.raises(BudgetExceeded, match="on 2026-11-23"):
        tracker.check(user="ada")


def test_reset_begins_anew() -> None:
    """The spend is 0, the budget is whole, and it can be reached again."""
    told: list[object] = []
    tracker = a_tracker(budget="0.006", on_budget_exceeded=told.append)
    tracker.record(a_usage())
    tracker.reset()
    assert (tracker.total_cost, tracker.request_count) == (NOTHING, 0)
    assert (tracker.history, tracker.cost_by_user) == ([], {})
    assert not tracker.budget_exceeded
    tracker.check()
    tracker.record(a_usage())
    assert len(told) == 2


def test_a_response_is_counted_by_its_shape() -> None:
    """Vendor, model and tokens are the answer's own; the same answer counts once."""
    tracker = a_tracker()
    body = {
        "id": "msg_1",
        "model": "claude-sonnet-4-5",
        "usage": {"input_tokens": 1000, "output_tokens": 200},
    }
    call = tracker.record_response(body, "anthropic.messages", user_id="ada")
    assert call is not None
    assert (call["provider"], call["cost_usd"]) == ("anthropic", ONE)
    assert tracker.record_response(body, "anthropic.messages") is None
    assert tracker.cost_by_user == {"ada": ONE}


def test_what_is_billed_beside_an_answer_is_counted_too() -> None:
    """Each is a call of its own."""
    tracker = a_tracker()
    usage = {
        "input_tokens": 1000,
        "output_tokens": 200,
        "iterations": [
            {"type": "message", "input_tokens": 1000, "output_tokens": 200},
            {"type": "compaction", "input_tokens": 1000, "output_tokens": 200},
        ],
    }
    body = {"id": "msg_1", "model": "claude-sonnet-4-5", "usage": usage}
    tracker.record_response(body, "anthropic.messages")
    assert (tracker.request_count, tracker.total_cost) == (2, 2 * ONE)


def test_an_answer_that_contradicts_itself_is_unpriced() -> None:
    """It is counted, and becomes a dead letter behind the emitter."""
    emitter = MemoryEmitter()
    tracker = a_tracker(emitter=emitter)
    body = {"model": "m", "usage": {"input_tokens": -5}}
    call = tracker.record_response(body, "anthropic.messages")
    assert call is not None
    assert call["unpriced_reason"] == "usage_not_understood"
    assert (tracker.unpriced_count, tracker.total_cost) == (1, NOTHING)
    assert isinstance(emitter.sent[0], UsageNotUnderstood)


def test_an_answer_without_a_model_needs_one() -> None:
    """Whose prices hold is never guessed."""
    usage = {"usage": {"input_tokens": 1, "output_tokens": 1}}
    with pytest.raises(ConfigurationError, match="give model="):
        a_tracker().record_response(usage, "anthropic.messages")
    with pytest.raises(ConfigurationError, match="give provider="):
        a_tracker().record_response(
            {"usage": {"prompt_tokens": 1, "completion_tokens": 1}}, "litellm.usage"
        )


@pytest.mark.parametrize("budget", [-1, "much", float("nan"), True])
def test_a_budget_is_an_amount(budget: float | str) -> None:
    """What is none is refused when the tracker is made."""
    with pytest.raises(ConfigurationError, match="no amount in USD"):
        a_tracker(budget=budget)


def test_prices_of_ones_own_lie_over_the_list(tmp_path: Path) -> None:
    """A file prices what it names; all else has the installed list's price."""
    file = tmp_path / "own.yaml"
    file.write_text(
        "prices:\n  - {provider: vllm, model: llama, input_per_million: 1, "
        "output_per_million: 2}\n"
    )
    tracker = a_tracker(prices=file)
    tracker.record(a_usage(provider="vllm", model="llama"))
    tracker.record(a_usage())
    assert tracker.cost_by_model == {
        "claude-sonnet-4-5": ONE,
        "llama": Decimal("0.0014"),
    }
    with pytest.raises(ConfigurationError, match="cannot read prices"):
        a_tracker(prices=tmp_path / "none.yaml")


def test_the_summary_says_what_was_spent_on_what() -> None:
    """Exact amounts, the dearest model first, and how the budget stands."""
    tracker = a_tracker(budget="0.01")
    tracker.record(a_usage())
    tracker.record(a_usage(provider="vllm", model="tiny"))
    tracker.record(a_usage(status="error", usage=Usage()))
    assert tracker.summary().splitlines() == [
        "LLM spend: $0.006 in 2 calls",
        "  budget: $0.01, $0.004 left",
        "  failed: 1 call",
        "  claude-sonnet-4-5  1,000 + 200 tokens  $0.006",
        "  tiny               1,000 + 200 tokens  $0.00",
        "  1. claude-sonnet-4-5  1,000 + 200 tokens  $0.006",
        "  2. tiny  1,000 + 200 tokens  $0.00",
    ]


def test_a_long_summary_has_the_latest_calls() -> None:
    """Of a thousand calls nobody reads more than the last few, by their numbers."""
    tracker = a_tracker()
    for number in range(12):
        tracker.record(a_usage(event_id=an_id("call", number)))
    told = tracker.summary().splitlines()[-11:]
    assert told[0] == "  the latest 10 calls:"
    assert told[1].startswith("  3. claude-sonnet-4-5  1,000 + 200 tokens")
    assert told[-1].startswith("  12. ")
