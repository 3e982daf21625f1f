"""What the proxy's callback makes of what the proxy tells it."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

from litellm.constants import LITELLM_LOGGING_NO_UPSTREAM_LLM_CALL

import taximeter.litellm_proxy as module
from taximeter.litellm_proxy import LiteLLM_PROXY_Callback
from taximeter_producers import meter
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


@pytest.mark.parametrize(("set_to", "linger_ms"), [(None, 500), ("20", 20)])
def test_events_of_a_proxy_are_gathered_for_longer(
    set_to: str | None, linger_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sent one by one they would cost the proxy more than they do; a setting wins."""
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
