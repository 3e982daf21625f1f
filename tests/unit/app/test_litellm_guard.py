"""litellm's calls are stopped, or sent to a fallback, by what a guard knows."""

from __future__ import annotations

import os
from decimal import Decimal
from typing import Any

import pytest

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm

from taximeter.call_estimates import CallEstimates
from taximeter.litellm_guard import LiteLLMGuard
from taximeter.tracker.cost_tracker import CostTracker
from taximeter_producers.attribution import attribute
from taximeter_producers.emitter import MemoryEmitter
from taximeter_producers.guard.enforcement import enforce
from taximeter_producers.litellm_callback import LiteLLMCallback
from taximeter_schemas.errors import BudgetExceeded
from taximeter_schemas.usage import UsageRecorded
from tests.guarding import a_budget, a_guard
from tests.tracking import CALL, all_told, tracked_by
from tests.waiting import eventually, eventually_async

llm: Any = litellm

pytestmark = pytest.mark.filterwarnings("ignore")


def early(name: str) -> Any:  # noqa: ANN401 - litellm's functions have no types
    """Return a function as who imported it by name before any guard has it."""
    function = getattr(litellm, name)
    guarded = hasattr(function, "_taximeter_guarded")
    return function.__wrapped__ if guarded else function


def a_litellm_guard(**overrides: object) -> LiteLLMGuard:
    """Return a guard of which everybody has nothing left."""
    guard, _ = a_guard([a_budget(**({"limit_usd": "0"} | overrides))])
    return LiteLLMGuard(guard)


FALLBACK = {"on_exceeded": "fallback", "fallback_model": "gpt-4o-mini"}


async def test_calls_without_room_are_not_made() -> None:
    """Sync, async and streamed ones; async ones also where imported by name."""
    by_name = early("acompletion")
    emitter = MemoryEmitter()
    # litellm tells of other tests' calls late, and to whoever is registered then.
    mine = attribute(user="refused")
    with mine, tracked_by(LiteLLMCallback(emitter), a_litellm_guard()):
        for stream in (False, True):
            with pytest.raises(BudgetExceeded, match="budget b: everybody"):
                llm.completion(**CALL, stream=stream)
            with pytest.raises(BudgetExceeded):
                await llm.acompletion(**CALL, stream=stream)
            with pytest.raises(BudgetExceeded):
                await by_name(**CALL, stream=stream)
        with pytest.raises(BudgetExceeded):
            llm.embedding(model="text-embedding-3-small", input=["x"])
        await all_told()
    assert [e for e in emitter.sent if e.user_id == "refused"] == []


def test_a_guarded_function_is_stopped_however_it_was_imported() -> None:
    """A sync function imported by name needs `guard`."""
    guard = a_litellm_guard()
    completion = early("completion")
    with tracked_by(guard):
        completion(**CALL)
        with pytest.raises(BudgetExceeded):
            guard.guard(completion)(**CALL)


async def test_a_fallback_is_called_instead() -> None:
    """Its event names the model that was called, however that was asked for."""
    emitter = MemoryEmitter()
    by_name = early("acompletion")
    with tracked_by(LiteLLMCallback(emitter), a_litellm_guard(**FALLBACK)):
        llm.completion(**CALL)
        rest = {k: v for k, v in CALL.items() if k != "model"}
        llm.completion("gpt-4", **rest)
        await llm.acompletion(**CALL)
        await by_name(**CALL)
        await all_told()

        async def all_sent() -> bool:
            return len(emitter.sent) == 4

        await eventually_async(all_sent, 10)
    models = [e.model for e in emitter.sent if isinstance(e, UsageRecorded)]
    assert models == ["gpt-4o-mini"] * 4


async def test_a_fallback_that_cannot_be_named_stops_the_call() -> None:
    """Where the model stands in litellm's positional arguments already."""
    rest = {k: v for k, v in CALL.items() if k != "model"}
    with tracked_by(a_litellm_guard(**FALLBACK)), pytest.raises(BudgetExceeded):
        await early("acompletion")("gpt-4", **rest)


def test_whom_a_call_is_for_decides() -> None:
    """Said around it, or in litellm's own parameters; the model as events name it."""
    for scope in ({"user": "ada"}, {"session": "s"}, {"provider": "openai"}):
        guard = a_litellm_guard(scope=scope)
        with tracked_by(guard):
            with pytest.raises(BudgetExceeded), attribute(user="ada", session="s"):
                llm.completion(**CALL)
            with pytest.raises(BudgetExceeded):
                llm.completion(**CALL, user="ada", metadata={"session_id": "s"})
            if "provider" not in scope:
                llm.completion(**CALL)
    with tracked_by(a_litellm_guard(scope={"model": "gpt-4"})):
        with pytest.raises(BudgetExceeded):
            llm.completion(**CALL | {"model": "openai/gpt-4"})
        llm.completion(**CALL | {"model": "gpt-4o"})


def test_a_free_model_is_not_stopped() -> None:
    """Its price is an explicit 0 in litellm's list; an unknown price is none."""
    with tracked_by(a_litellm_guard()):
        llm.completion(**CALL | {"model": "gemini/gemini-exp-1206"})
        with pytest.raises(BudgetExceeded):
            llm.completion(**CALL | {"model": "openai/nobody-knows"})


def test_an_ignored_budget_stands_in_the_event() -> None:
    """A block around the calls says why; the events say so too."""
    emitter = MemoryEmitter()
    callback = a_litellm_guard()
    anyone, _ = a_guard([])
    with tracked_by(LiteLLMCallback(emitter), callback):
        with enforce(anyone, user="ada", ignore_budget="incident 42"):
            llm.completion(**CALL)
        # litellm tells of other tests' calls late, and to whoever is registered then.
        eventually(lambda: [e for e in emitter.sent if e.model == CALL["model"]])
        with pytest.raises(BudgetExceeded):
            llm.completion(**CALL)
    (event,) = (e for e in emitter.sent if e.model == CALL["model"])
    assert isinstance(event, UsageRecorded)
    assert (event.user_id, event.tags) == ("ada", {"budget_ignored": "incident 42"})


def test_an_estimate_stops_the_call_that_would_pass_the_limit() -> None:
    """By the price of what is sent and of the longest answer."""
    guard, _ = a_guard([a_budget(limit_usd="0.01")])
    with tracked_by(LiteLLMGuard(guard, estimate=CallEstimates())):
        llm.completion(**CALL, max_tokens=100)
        with pytest.raises(BudgetExceeded) as caught:
            llm.completion(**CALL, max_tokens=1000)
    assert caught.value.estimate is not None
    assert Decimal("0.06") < caught.value.estimate < Decimal("0.061")


def test_estimates_of_calls() -> None:
    """Texts of any form count, choices multiply, and what has no price is unknown."""
    estimates = CallEstimates(output_tokens=10)
    plain = estimates({"model": "gpt-4", "messages": [{"content": "Hello there!"}]})
    parts = [{"type": "text", "text": "Hello there!"}, {"type": "image_url"}]

    assert plain is not None
    assert plain == Decimal("0.00069")
    assert estimates({"model": "gpt-4", "messages": [{"content": parts}]}) == plain
    assert estimates({"model": "gpt-4", "input": "Hello there!", "n": 2}) == (
        plain + Decimal("0.0006")
    )
    assert estimates({"model": "gemini/gemini-exp-1206", "prompt": "x"}) == 0
    assert estimates({"model": "nobody-knows", "prompt": "x"}) is None
    assert estimates({}) is None


def test_a_tracker_counts_beside_a_guard() -> None:
    """It counts what the guard lets pass, under the model that was called."""
    tracker = CostTracker(print_summary=False)
    with tracked_by(tracker, a_litellm_guard(**FALLBACK)):
        llm.completion(**CALL)
        assert list(tracker.cost_by_model) == ["gpt-4o-mini"]
