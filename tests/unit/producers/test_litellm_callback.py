"""Every way of calling through litellm makes one event, for whom it was made."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from decimal import Decimal
from threading import Timer
from typing import Any
from uuid import UUID

import pytest

# Before litellm is imported: it would fetch its price map from the network.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
from litellm.exceptions import RateLimitError

from taximeter_producers.attribution import attribute
from taximeter_producers.emitter import MemoryEmitter
from taximeter_producers.litellm_callback import LiteLLMCallback
from taximeter_producers.meter import Meter
from taximeter_schemas.ids import response_event_id
from taximeter_schemas.usage import EmittedEvent, UsageNotUnderstood, UsageRecorded
from tests.tracking import all_told

CALL: dict[str, Any] = {
    "model": "openai/gpt-4o-mini",
    "messages": [{"role": "user", "content": "hi there"}],
    "mock_response": "hello you",
}
completion: Any = litellm.completion
acompletion: Any = litellm.acompletion
STARTED_AT = datetime(2026, 1, 1).astimezone()

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
async def emitter() -> AsyncIterator[MemoryEmitter]:
    """An emitter that litellm's callbacks fill."""
    await all_told()  # of calls of the tests before this one
    emitter = MemoryEmitter()
    litellm.callbacks = [LiteLLMCallback(emitter, source="tests")]
    yield emitter
    reset: Any = litellm.logging_callback_manager._reset_all_callbacks
    reset()


def only(events: list[EmittedEvent]) -> UsageRecorded:
    """Return the one event that these tell of, however often they do."""
    ids = {event.event_id for event in events}
    assert len(ids) == 1, events
    assert isinstance(events[0], UsageRecorded)
    return events[0]


def arrived(emitter: MemoryEmitter) -> UsageRecorded:
    """Wait for litellm's logging thread."""
    limit = time.monotonic() + 20
    while not emitter.sent and time.monotonic() < limit:
        time.sleep(0.01)
    return only(emitter.sent)


async def arrived_async(emitter: MemoryEmitter) -> UsageRecorded:
    """Wait for litellm's logging task."""
    async with asyncio.timeout(20):
        while not emitter.sent:
            await asyncio.sleep(0.01)
    return only(emitter.sent)


def test_a_call(emitter: MemoryEmitter) -> None:
    """A sync call makes one event with its usage, model, id and attribution."""
    with attribute(user="ada", project="search", tags={"env": "test"}):
        response = completion(**CALL)
    event = arrived(emitter)
    assert (event.provider, event.model) == ("openai", "gpt-4o-mini")
    assert (event.user_id, event.project_id) == ("ada", "search")
    assert (event.source, event.operation) == ("tests", "chat")
    assert event.tags == {"env": "test"}
    assert event.status == "ok"
    assert event.usage_source == "reported"
    assert event.usage.text_input_tokens == response.usage.prompt_tokens
    assert event.usage.text_output_tokens == response.usage.completion_tokens
    assert event.event_id == response_event_id("openai", response.id)
    assert event.duration_ms is not None


def test_a_stream(emitter: MemoryEmitter) -> None:
    """A sync stream makes one event when it ends, though a thread tells of it."""
    with attribute(user="ada"):
        chunks = completion(**CALL, stream=True)
    for _ in chunks:
        pass
    event = arrived(emitter)
    assert event.user_id == "ada"
    assert event.usage_source == "estimated"
    assert event.usage.text_output_tokens > 0


def test_a_failed_call(emitter: MemoryEmitter) -> None:
    """A call that raises still raises, and its event says what."""
    failure = RateLimitError("slow down", "openai", "gpt-4o-mini")
    with attribute(user="ada"), pytest.raises(RateLimitError):
        completion(**CALL | {"mock_response": failure})
    event = arrived(emitter)
    assert (event.status, event.error_type) == ("error", "RateLimitError")
    assert event.user_id == "ada"
    assert event.usage.model_dump(exclude_defaults=True) == {}


async def test_an_async_call(emitter: MemoryEmitter) -> None:
    """An async call makes one event, though litellm may tell of it twice."""
    with attribute(user="ada"):
        response = await acompletion(**CALL)
    event = await arrived_async(emitter)
    assert event.user_id == "ada"
    assert event.response_id == response.id


async def test_an_async_stream(emitter: MemoryEmitter) -> None:
    """An async stream makes one event when it ends."""
    with attribute(user="ada"):
        chunks = await acompletion(**CALL, stream=True)
    async for _ in chunks:
        pass
    event = await arrived_async(emitter)
    assert event.user_id == "ada"
    assert event.usage_source == "estimated"


async def test_a_failed_async_call(emitter: MemoryEmitter) -> None:
    """A failed async call makes one error event."""
    failure = RateLimitError("slow down", "openai", "gpt-4o-mini")
    with attribute(user="ada"), pytest.raises(RateLimitError):
        await acompletion(**CALL | {"mock_response": failure})
    event = await arrived_async(emitter)
    assert (event.status, event.user_id) == ("error", "ada")


def test_litellms_own_parameters_say_what_the_context_leaves_open(
    emitter: MemoryEmitter,
) -> None:
    """`user=` and `metadata=` count where no block says otherwise."""
    with attribute(project="search"):
        completion(
            **CALL, user="bob", metadata={"session_id": "s-1", "project_id": "other"}
        )
    event = arrived(emitter)
    assert (event.user_id, event.session_id) == ("bob", "s-1")
    assert event.project_id == "search"


@pytest.mark.parametrize(
    "response",
    [None, "text", {"usage": "many"}, {"usage": {"prompt_tokens": -5}}, object()],
)
def test_a_malformed_response_never_raises(response: object) -> None:
    """Whatever a provider answers, the callback does not hurt the call."""
    emitter = MemoryEmitter()
    callback = LiteLLMCallback(emitter)
    call = {"call_type": "completion", "model": "m", "litellm_call_id": "1"}
    callback.log_success_event(call, response, STARTED_AT, "later")
    callback.log_success_event(None, response, None, None)
    assert len(emitter.sent) == 1


def test_a_usage_that_contradicts_itself_is_handed_on() -> None:
    """It is not guessed at: the event names the call and holds what was said."""
    emitter = MemoryEmitter()
    call = {"call_type": "completion", "model": "m", "user": "ada"}
    response = {"id": "r-1", "usage": {"prompt_tokens": -5}}
    LiteLLMCallback(emitter).log_success_event(call, response, STARTED_AT, None)
    (event,) = emitter.sent
    assert isinstance(event, UsageNotUnderstood)
    assert (event.user_id, event.response_id) == ("ada", "r-1")
    assert event.usage_part == '{"prompt_tokens": -5}'


def test_an_answer_from_litellms_cache_is_free() -> None:
    """No provider was called, so there is no event."""
    emitter = MemoryEmitter()
    call = {"call_type": "acompletion", "model": "m", "cache_hit": True}
    LiteLLMCallback(emitter).log_success_event(call, {"id": "r"}, STARTED_AT, None)
    assert emitter.sent == []


def test_what_bills_no_call_makes_no_event() -> None:
    """Reading a stored response again is not a call."""
    emitter = MemoryEmitter()
    call = {"call_type": "aget_responses", "model": "m"}
    LiteLLMCallback(emitter).log_success_event(call, {"id": "r"}, STARTED_AT, None)
    assert emitter.sent == []


def test_attempts_without_a_response_id_are_told_apart_by_their_start() -> None:
    """Two hooks for one attempt make one id; a retry makes another."""

    def event_id(started_at: datetime) -> UUID:
        emitter = MemoryEmitter()
        call = {"call_type": "completion", "litellm_call_id": "1"}
        LiteLLMCallback(emitter).log_failure_event(call, None, started_at, None)
        return only(emitter.sent).event_id

    first, again = event_id(STARTED_AT), event_id(STARTED_AT)
    retry = event_id(STARTED_AT + timedelta(seconds=1))
    assert first == again != retry


def test_tier_and_the_providers_own_cost_are_kept() -> None:
    """A served tier wins over the asked one, and only a stated cost is kept."""
    emitter = MemoryEmitter()
    callback = LiteLLMCallback(emitter)
    call: dict[str, object] = {
        "call_type": "completion",
        "custom_llm_provider": "openrouter",
        "model": "m",
        "optional_params": {"service_tier": "auto"},
    }
    response = {"id": "r", "service_tier": "flex", "usage": {"cost": 0.1}}
    callback.log_success_event(call, response, STARTED_AT, None)
    own = call | {"custom_llm_provider": "openai"}
    callback.log_success_event(own, response, STARTED_AT, None)
    events = [e for e in emitter.sent if isinstance(e, UsageRecorded)]
    assert [event.service_tier for event in events] == ["flex", "flex"]
    assert [str(event.provider_cost_usd) for event in events] == [
        "0.100000000000",
        "None",
    ]


@pytest.mark.parametrize(
    ("call", "response", "fields"),
    [
        (
            {
                "call_type": "aimage_generation",
                "optional_params": {"size": "1024x1024", "quality": "hd"},
            },
            {"data": [{}, {}]},
            {"image_size": "1024x1024", "image_quality": "hd"},
        ),
        (
            {
                "call_type": "image_generation",
                "optional_params": {"image_size": {"width": 640, "height": 480}},
            },
            {"data": [{}], "size": None, "quality": "low"},
            {"image_size": "640x480", "image_quality": "low"},
        ),
        (
            {"call_type": "create_video"},
            {"usage": {"duration_seconds": 8.0, "video_resolution": "1080p"}},
            {"video_resolution": "1080p", "operation": "video_generation"},
        ),
        (
            {"call_type": "asearch", "optional_params": {"max_results": 30}},
            {"results": []},
            {"max_results": 30, "model": "acme/search"},
        ),
        (
            {
                "call_type": "completion",
                "optional_params": {
                    "web_search_options": {"search_context_size": "high"}
                },
            },
            {"usage": {"prompt_tokens": 1, "completion_tokens": 1}},
            {"search_context_size": "high"},
        ),
        (
            {
                "call_type": "responses",
                "optional_params": {
                    "tools": [{"type": "web_search", "search_context_size": "low"}]
                },
            },
            {"usage": {"input_tokens": 1, "output_tokens": 1}},
            {"search_context_size": "low"},
        ),
        ({"call_type": "decisions"}, {}, {"service_tier": "decisions"}),
    ],
)
def test_what_was_chosen_is_kept(
    call: dict[str, object], response: dict[str, object], fields: dict[str, object]
) -> None:
    """Sizes, qualities, resolutions, contexts and results are facts of the event."""
    emitter = MemoryEmitter()
    named = {"custom_llm_provider": "acme", "model": "m"}
    LiteLLMCallback(emitter).log_success_event(named | call, response, STARTED_AT, None)
    event = only(emitter.sent)
    assert {name: getattr(event, name) for name in fields} == fields


def test_documents_videos_and_searches_are_counted() -> None:
    """What is not billed by tokens is counted in its own unit."""
    emitter = MemoryEmitter()
    callback = LiteLLMCallback(emitter)
    named = {"custom_llm_provider": "acme", "model": "m"}
    pages = {"pages_processed": 3, "pages_processed_annotation": 1, "credits": None}
    for call_type, response in (
        ("aocr", {"usage_info": pages}),
        ("acreate_video", {"usage": {"duration_seconds": 2.5}}),
        ("search", {"results": []}),
    ):
        call = named | {"call_type": call_type, "litellm_call_id": call_type}
        callback.log_success_event(call, response, STARTED_AT, None)
    found = [e.usage for e in emitter.sent if isinstance(e, UsageRecorded)]
    assert [usage.model_dump(exclude_defaults=True) for usage in found] == [
        {"pages": 3, "annotated_pages": 1},
        {"video_seconds": Decimal("2.5")},
        {"queries": 1},
    ]


@pytest.mark.parametrize(
    ("provider", "usage", "cost"),
    [
        ("xai", {"cost_in_usd_ticks": 25_000_000}, "0.002500000000"),
        ("perplexity", {"cost": {"total_cost": 0.25}}, "0.250000000000"),
        (
            "openrouter",
            {
                "cost": 0.01,
                "is_byok": True,
                "cost_details": {"upstream_inference_cost": 0.2},
            },
            "0.210000000000",
        ),
        ("openai", {"cost": 0.25}, "None"),
    ],
)
def test_a_providers_own_cost_is_kept_in_its_own_words(
    provider: str, usage: dict[str, object], cost: str
) -> None:
    """Ticks, tables and both parts of one's own key; never what litellm computed."""
    emitter = MemoryEmitter()
    tokens = {"prompt_tokens": 1, "completion_tokens": 1}
    call = {"call_type": "completion", "custom_llm_provider": provider, "model": "m"}
    LiteLLMCallback(emitter).log_success_event(
        call, {"usage": tokens | usage}, STARTED_AT, None
    )
    assert str(only(emitter.sent).provider_cost_usd) == cost


def test_two_callbacks_of_one_source_both_hear_of_a_call(
    emitter: MemoryEmitter,
) -> None:
    """For litellm they are two, though nothing but their emitters tells them apart."""
    other = MemoryEmitter()
    litellm.callbacks = [*litellm.callbacks, LiteLLMCallback(other, source="tests")]
    completion(**CALL)
    assert arrived(other).event_id == arrived(emitter).event_id


def test_a_second_attempt_is_not_taken_for_the_first() -> None:
    """What succeeds after a failure has an id of its own, not the failed request's."""
    emitter = MemoryEmitter()
    refused = RateLimitError("slow down", "openai", "m")
    headers = {"x-request-id": "req_0123456789abcdef"}
    refused.litellm_response_headers = headers  # type: ignore[attr-defined]
    call: dict[str, Any] = {
        "call_type": "aembedding",
        "custom_llm_provider": "openai",
        "model": "m",
        "litellm_call_id": "c",
        "exception": refused,
    }
    callback = LiteLLMCallback(emitter)
    callback.log_failure_event(call, None, STARTED_AT, None)
    answer = {"usage": {"prompt_tokens": 5, "total_tokens": 5}}
    callback.log_success_event(call, answer, STARTED_AT + timedelta(seconds=1), None)
    failed, answered = emitter.sent
    assert failed.event_id != answered.event_id


def test_a_meter_that_closes_waits_for_what_litellm_tells_in_a_thread() -> None:
    """A program may end right behind a call, whose end litellm tells a moment later."""
    emitter = MemoryEmitter()
    meter = Meter(emitter)
    callback = LiteLLMCallback(meter)
    call: dict[str, Any] = {
        "call_type": "completion",
        "model": "gpt-4o",
        "custom_llm_provider": "openai",
        "litellm_call_id": "c-1",
    }
    callback.log_pre_api_call("gpt-4o", [], call)
    answer = {"id": "r-1", "usage": {"prompt_tokens": 7, "completion_tokens": 3}}
    ended = (call, answer, STARTED_AT, STARTED_AT)
    Timer(0.2, callback.log_success_event, ended).start()
    assert meter.close()
    assert only(emitter.sent).usage.text_input_tokens == 7
    began = time.monotonic()
    assert meter.flush()
    assert time.monotonic() - began < 1  # nothing is waited for twice
