"""What the proxy's callback makes of what the proxy tells it."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
from litellm.constants import LITELLM_LOGGING_NO_UPSTREAM_LLM_CALL

import taximeter.litellm_proxy as module
from taximeter.litellm_proxy import LiteLLM_PROXY_Callback
from taximeter_producers import meter
from taximeter_producers.attribution import attribute
from taximeter_producers.emitter import MemoryEmitter
from taximeter_producers.kafka import KafkaEmitter
from taximeter_schemas.clock import ManualClock
from taximeter_schemas.errors import ConfigurationError
from taximeter_schemas.usage import UsageRecorded
from tests.builders import NOON

pytestmark = pytest.mark.filterwarnings("ignore")


class _Request:
    """What litellm keeps of one request, over all of its attempts."""

    def __init__(self) -> None:
        self.model_call_details: dict[str, Any] = {
            "call_type": "acompletion",
            "model": "gpt-4o",
            "custom_llm_provider": "openai",
            "litellm_call_id": "c-1",
            "litellm_params": {"metadata": {"user_api_key_user_id": "ada"}},
        }


def _forget() -> None:
    sys.modules[module.__name__].__dict__.pop("callback", None)


def _sent(emitter: MemoryEmitter) -> list[UsageRecorded]:
    return [event for event in emitter.sent if isinstance(event, UsageRecorded)]


async def test_each_failed_attempt_is_an_event_and_the_request_is_none() -> None:
    """Two failures of a request are two events, each with its own moment and id."""
    emitter, clock, request = MemoryEmitter(), ManualClock(NOON), _Request()
    callback = LiteLLM_PROXY_Callback(emitter, clock=clock)
    details = request.model_call_details
    for _ in range(2):
        callback.log_pre_api_call("gpt-4o", [], details)
        clock.move(timedelta(seconds=2))
        failed = {"litellm_logging_obj": request}
        await callback.async_post_call_failure_deployment_hook(
            failed, TimeoutError("x"), "acompletion"
        )
    await callback.async_log_failure_event(
        kwargs=details, response_obj=None, start_time=NOON, end_time=NOON
    )
    first, second = _sent(emitter)
    assert first.event_id != second.event_id
    assert (first.occurred_at, first.duration_ms) == (NOON, 2000)
    assert second.occurred_at == NOON + timedelta(seconds=2)
    assert (first.error_type, first.user_id, first.trace_id) == (
        "TimeoutError",
        "ada",
        "c-1",
    )


async def test_a_stream_that_broke_off_is_an_event() -> None:
    """It failed after its attempt had been answered: only its end is told."""
    emitter, request = MemoryEmitter(), _Request()
    callback = LiteLLM_PROXY_Callback(emitter)
    details = request.model_call_details | {
        "stream": True,
        "exception": ConnectionError("x"),
        "combined_usage_object": {"prompt_tokens": 7, "completion_tokens": 3},
    }
    start = datetime.now(UTC)  # noqa: TID251 - as litellm does
    await callback.async_log_failure_event(
        kwargs=details, response_obj=None, start_time=start, end_time=start
    )
    (event,) = _sent(emitter)
    assert (event.status, event.usage_source) == ("error", "estimated")
    assert event.usage.text_input_tokens == 7


async def test_what_the_proxy_refused_is_no_event() -> None:
    """A wrong key, or an unknown model, is told in both hooks, and by a beginning."""
    emitter, request = MemoryEmitter(), _Request()
    callback = LiteLLM_PROXY_Callback(emitter)
    refused = {
        "exception": ValueError("no such model"),
        LITELLM_LOGGING_NO_UPSTREAM_LLM_CALL: True,
    }
    details = request.model_call_details | refused
    callback.log_pre_api_call("gpt-4o", [], details)
    callback.log_failure_event(details, None, NOON, NOON)
    await callback.async_log_failure_event(details, None, NOON, NOON)
    assert _sent(emitter) == []


def test_the_callback_is_made_when_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Importing the module starts nothing; asking without a Kafka says what to set."""
    with pytest.raises(ConfigurationError, match="TAXIMETER_BOOTSTRAP"):
        _ = module.callback
    with pytest.raises(AttributeError):
        _ = module.nonsense
    monkeypatch.setenv("TAXIMETER_ENABLED", "false")
    try:
        assert module.callback is module.callback
        assert isinstance(module.callback, LiteLLM_PROXY_Callback)
    finally:
        _forget()
        meter.stop()


def test_a_name_says_that_it_keeps_accounts() -> None:
    """Litellm tells callbacks of `no-log` requests only if `_PROXY_` is in the name."""
    assert "_PROXY_" in LiteLLM_PROXY_Callback.__name__


class _InMemory(MemoryEmitter):
    """Keeps what it takes where a `KafkaEmitter` would."""

    def __init__(self) -> None:
        super().__init__()
        self.durability = "memory"


async def test_calls_are_gathered_as_they_were_told() -> None:
    """Their events are made together, later, whatever became of the request since."""
    emitter = _InMemory()
    meter_of_it = meter.Meter(emitter)
    callback = LiteLLM_PROXY_Callback(meter_of_it, gather_seconds=60)
    details = _Request().model_call_details
    usage = litellm.Usage(prompt_tokens=7, completion_tokens=3)
    answer = litellm.ModelResponse(id="x" * 20, model="gpt-4o-2024-08-06", usage=usage)
    with attribute(project="search"):
        callback.log_pre_api_call("gpt-4o", [], details)
        await callback.async_log_success_event(details, answer, NOON, NOON)
    details["litellm_params"]["metadata"]["user_api_key_user_id"] = "bob"
    details["model"], answer.model = "spare", "as the client asked"
    assert emitter.sent == []
    assert meter_of_it.flush(10)
    (event,) = _sent(emitter)
    said = (event.user_id, event.project_id, event.model, event.response_model)
    assert said == ("ada", "search", "gpt-4o", "gpt-4o-2024-08-06")
    assert (event.usage.text_input_tokens, event.usage.text_output_tokens) == (7, 3)


async def test_gathered_or_not_an_event_says_the_same() -> None:
    """All that is read of a call is kept of it."""
    told: list[UsageRecorded] = []
    details = _Request().model_call_details | {
        "litellm_trace_id": "t-1",
        "optional_params": {"service_tier": "flex", "tools": []},
        "response_headers": {"x-request-id": "r" * 20},
        "call_type": "aspeech",
        "input": "Hello!",
        "user": "eve",
        "stream": False,
    }
    details["litellm_params"] |= {"litellm_session_id": "s-1"}
    for seconds in (0, 60):
        emitter = _InMemory()
        gathering = meter.Meter(emitter)
        callback = LiteLLM_PROXY_Callback(gathering, gather_seconds=seconds)
        await callback.async_log_success_event(details, {"usage": None}, NOON, NOON)
        assert gathering.flush(10)
        told += _sent(emitter)
    assert told[0] == told[1]
    assert told[0].usage.characters == 6
    assert told[0].service_tier == "flex"


@pytest.mark.parametrize("durability", ["spool", None])
async def test_what_must_be_safe_at_once_is_not_gathered(
    durability: str | None,
) -> None:
    """An event is on disk, or redacted, before the proxy goes on."""
    emitter = _InMemory()
    emitter.durability = durability or "memory"
    redact = None if durability else (lambda event: event)
    keeping = meter.Meter(emitter, redact=redact)
    callback = LiteLLM_PROXY_Callback(keeping, gather_seconds=60)
    details = _Request().model_call_details
    await callback.async_log_success_event(details, {"usage": {}}, NOON, NOON)
    assert len(_sent(emitter)) == 1


@pytest.mark.parametrize(("set_to", "linger_ms"), [(None, 50), ("20", 20)])
def test_events_of_a_proxy_are_gathered_for_longer(
    set_to: str | None, linger_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made and sent one by one they would cost the proxy more; a setting wins."""
    monkeypatch.setenv("TAXIMETER_BOOTSTRAP", "127.0.0.1:1")
    if set_to is not None:
        monkeypatch.setenv("TAXIMETER_LINGER_MS", set_to)
    try:
        _ = module.callback
        emitter = meter.start().emitter
        assert isinstance(emitter, KafkaEmitter)
        assert emitter.linger_ms == linger_ms
    finally:
        _forget()
        meter.stop(0)
