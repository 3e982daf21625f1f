"""litellm's calls are counted when they return, and stopped when a limit is reached."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

import pytest

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
from litellm.exceptions import RateLimitError

from taximeter.tracker.cost_tracker import CostTracker
from taximeter_producers.attribution import attribute
from taximeter_producers.emitter import MemoryEmitter
from taximeter_schemas.errors import BudgetExceeded
from tests.tracking import CALL, ONE_CALL_USD, all_told, tracked_by

llm: Any = litellm

pytestmark = pytest.mark.filterwarnings("ignore")


def a_tracker(**settings: Any) -> CostTracker:  # noqa: ANN401
    """Return a tracker that prints nothing."""
    return CostTracker(print_summary=False, **settings)


def early(name: str) -> Any:  # noqa: ANN401 - litellm's functions have no types
    """Return a function as who imported it by name before any tracker has it."""
    function = getattr(litellm, name)
    guarded = hasattr(function, "_taximeter_guarded")
    return function.__wrapped__ if guarded else function


def test_a_sync_call_is_counted_when_it_returns() -> None:
    """The total has it at once, though litellm tells of it from a thread."""
    tracker = a_tracker()
    with tracked_by(tracker):
        for calls in range(1, 21):
            llm.completion(**CALL)
            assert tracker.total_cost == calls * ONE_CALL_USD
            assert tracker.request_count == calls


def test_a_function_imported_by_name_is_counted_too() -> None:
    """Reading the total waits for what this thread has called."""
    completion = early("completion")
    tracker = a_tracker()
    with tracked_by(tracker):
        for calls in range(1, 21):
            completion(**CALL)
            assert tracker.total_cost == calls * ONE_CALL_USD


def test_a_sync_stream_is_counted_when_it_ends() -> None:
    """It stays litellm's own stream, and costs what its chunks say."""
    tracker = a_tracker()
    with tracked_by(tracker):
        stream = llm.completion(**CALL, stream=True)
        assert isinstance(stream, litellm.CustomStreamWrapper)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
        assert text == CALL["mock_response"]
        assert tracker.total_cost > 0
        for streams in range(2, 31):
            for _ in llm.completion(**CALL, stream=True):
                pass
            assert tracker.request_count == streams


async def test_async_calls_and_streams_are_counted_when_they_end() -> None:
    """The loop's own total has each of them at once."""
    tracker = a_tracker()
    with tracked_by(tracker):
        for function in (llm.acompletion, early("acompletion")):
            await function(**CALL)
        assert tracker.total_cost == 2 * ONE_CALL_USD
        async for _ in await llm.acompletion(**CALL, stream=True):
            pass
        assert tracker.request_count == 3
        await all_told()
        assert tracker.request_count == 3


def test_an_embedding_is_counted_when_it_returns() -> None:
    """What has no response id is still one call."""
    tracker = a_tracker()
    with tracked_by(tracker):
        llm.embedding(
            model="text-embedding-3-small", input=["x"], mock_response=[0.1, 0.2]
        )
        assert tracker.request_count == 1


def test_calls_of_many_threads_are_counted_when_they_return() -> None:
    """Who waits for a thread's answer finds it in the total."""
    tracker = a_tracker()
    with tracked_by(tracker), ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(llm.completion, **CALL) for _ in range(40)]
        for done, call in enumerate(as_completed(calls), start=1):
            call.result()
            assert tracker.request_count >= done
    assert tracker.total_cost == 40 * ONE_CALL_USD


def test_nothing_is_counted_again_after_a_reset() -> None:
    """What litellm still has to tell of calls from before it changes nothing."""
    tracker, other = a_tracker(), MemoryEmitter()
    seen = a_tracker(emitter=other)
    with tracked_by(tracker, seen):
        for _ in range(20):
            llm.completion(**CALL)
            tracker.reset()
        early("completion")(**CALL)
        assert tracker.total_cost == ONE_CALL_USD
        assert seen.request_count == 21
    assert len(other.sent) == 21


@pytest.mark.parametrize("budget", [0, "0.0015", 0.001])
def test_the_call_after_a_sync_budget_is_gone_raises(budget: float | str) -> None:
    """The answer that was paid for is not lost; the next call is not made."""
    tracker = a_tracker(budget=budget, raise_on_budget=True)
    with tracked_by(tracker):
        if budget:
            llm.completion(**CALL)
        with pytest.raises(BudgetExceeded) as caught:
            llm.completion(**CALL)
    assert caught.value.spent == tracker.total_cost == (budget and ONE_CALL_USD)


@pytest.mark.parametrize("stream", [False, True])
def test_a_stream_is_stopped_as_a_call_is(stream: bool) -> None:
    """Whether the budget was spent by a stream or by a call."""
    tracker = a_tracker(budget="0.0001", raise_on_budget=True)
    with tracked_by(tracker):
        answer = llm.completion(**CALL, stream=stream)
        _ = list(answer)
        with pytest.raises(BudgetExceeded):
            llm.completion(**CALL, stream=True)
        assert (tracker.request_count, tracker.refused_count) == (1, 1)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("by_name", [False, True])
async def test_async_calls_are_stopped(stream: bool, by_name: bool) -> None:
    """Also those of a function that was imported by name: litellm has a hook there."""
    acompletion = early("acompletion") if by_name else llm.acompletion
    tracker = a_tracker(budget="0.0015", raise_on_budget=True)
    with tracked_by(tracker):
        await acompletion(**CALL)
        with pytest.raises(BudgetExceeded):
            await acompletion(**CALL, stream=stream)
        await all_told()
    assert (tracker.request_count, tracker.failed_count) == (1, 0)


async def test_retries_do_not_get_round_a_limit() -> None:
    """Litellm retries what its hook refuses; what is refused before it, it does not."""
    tracker = a_tracker(budget=0, raise_on_budget=True)
    with tracked_by(tracker):
        with pytest.raises(BudgetExceeded):
            await llm.acompletion(**CALL, num_retries=2)
        with pytest.raises(BudgetExceeded):
            llm.completion(**CALL, num_retries=2)
    assert tracker.request_count == 0


def test_a_guarded_function_is_stopped_however_it_was_imported() -> None:
    """A sync function imported by name needs `guard`, or it is only counted."""
    tracker = a_tracker(budget=0, raise_on_budget=True)
    completion = early("completion")
    with tracked_by(tracker):
        completion(**CALL)
        guarded = tracker.guard(completion)
        with pytest.raises(BudgetExceeded):
            guarded("gpt-4", CALL["messages"], mock_response="no")


def test_a_free_model_is_not_stopped() -> None:
    """Its price is an explicit 0 in litellm's list."""
    tracker = a_tracker(budget=0, raise_on_budget=True)
    with tracked_by(tracker):
        llm.completion(**CALL | {"model": "gemini/gemini-exp-1206"})
        with pytest.raises(BudgetExceeded):
            llm.completion(**CALL)
    assert (tracker.request_count, tracker.unpriced_count) == (1, 0)


def test_limits_of_users_and_sessions_stop_their_calls() -> None:
    """Whom a call is for is said around it, or in litellm's own parameters."""
    tracker = a_tracker(
        user_budget="0.001", session_budget="0.001", raise_on_budget=True
    )
    with tracked_by(tracker):
        with attribute(user="ada", session="s-1"):
            llm.completion(**CALL)
        with pytest.raises(BudgetExceeded):
            llm.completion(**CALL, user="ada")
        with pytest.raises(BudgetExceeded):
            llm.completion(**CALL, metadata={"session_id": "s-1"})
        llm.completion(**CALL, user="bob", metadata={"session_id": "s-2"})
    assert tracker.cost_by_user == {"ada": ONE_CALL_USD, "bob": ONE_CALL_USD}


def test_without_raise_on_budget_calls_go_on() -> None:
    """The callback is told, and nothing else happens."""
    told: list[object] = []
    tracker = a_tracker(budget="0.001", on_budget_exceeded=told.append)
    with tracked_by(tracker):
        for _ in range(3):
            llm.completion(**CALL)
    assert (told, tracker.budget_exceeded) == ([tracker], True)


def test_a_failed_call_costs_nothing_and_still_raises() -> None:
    """It is counted as failed."""
    tracker = a_tracker(raise_on_budget=True)
    failure = RateLimitError("slow down", "openai", "gpt-4")
    with tracked_by(tracker), pytest.raises(RateLimitError):
        llm.completion(**CALL | {"mock_response": failure})
    assert (tracker.failed_count, tracker.request_count) == (1, 0)


def test_a_tracker_that_another_replaced_counts_no_more() -> None:
    """Though litellm goes on telling it: a cell that is run again starts at 0."""
    old = a_tracker()
    with tracked_by(old):
        llm.completion(**CALL)
        new = a_tracker()
        llm.callbacks = [new]
        for function in (llm.completion, early("completion")):
            function(**CALL)
        for _ in llm.completion(**CALL, stream=True):
            pass
        assert new.request_count == 3
    assert old.request_count == 1


def test_each_event_goes_to_the_emitter_once() -> None:
    """Kafka has what the tracker has, under the id that the callback gives it."""
    emitter = MemoryEmitter()
    tracker = a_tracker(emitter=emitter)
    with tracked_by(tracker):
        response = llm.completion(**CALL)
        tracker.record_response(response)
        for _ in llm.completion(**CALL, stream=True):
            pass
    assert len(emitter.sent) == tracker.request_count == 2
    assert emitter.sent[0].response_id == response.id


def test_a_wrong_call_is_litellms_to_refuse() -> None:
    """The guard lets arguments through that it cannot make sense of."""
    with tracked_by(a_tracker(raise_on_budget=True)), pytest.raises(TypeError):
        llm.completion(*range(60))
