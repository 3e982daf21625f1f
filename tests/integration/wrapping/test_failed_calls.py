"""A failed call is an event that says so; a fault of the meter fails no call."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, cast

import anthropic
import openai
import pytest

import taximeter
from taximeter_schemas.usage import Usage, UsageNotUnderstood
from tests import provider_answers as answers
from tests.integration.wrapping.conftest import KEY, Events
from tests.integration.wrapping.test_openai_client import ASK, CHAT, agrees
from tests.replaying import Replay, Reply


def test_each_attempt_is_an_event(
    client: openai.OpenAI, provider: Replay, events: Events
) -> None:
    """What the library tries again is told of as well; only the last was billed."""
    done = answers.json_reply(answers.chat(CHAT[0]["body"]))
    provider.answers(answers.error(500), answers.error(429), done)
    client.with_options(max_retries=2).chat.completions.create(**ASK)
    first, second, last = events.all()
    assert [first.error_type, second.error_type] == [
        "InternalServerError",
        "RateLimitError",
    ]
    assert first.usage == second.usage == Usage()
    assert (last.status, last.error_type) == ("ok", None)
    assert agrees(last, CHAT[0])
    assert len({first.event_id, second.event_id, last.event_id}) == 3
    assert first.occurred_at < second.occurred_at < last.occurred_at


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429, 500, 503])
def test_an_event_names_the_error_that_the_caller_gets(
    status: int, client: openai.OpenAI, provider: Replay, events: Events
) -> None:
    """The library's own error reaches the caller, and the event has its name."""
    provider.answers(answers.error(status))
    with pytest.raises(openai.APIStatusError) as raised:
        client.chat.completions.create(**ASK)
    event = events.only()
    assert (event.status, event.error_type) == ("error", type(raised.value).__name__)
    assert event.duration_ms is not None


async def test_also_of_an_asynchronous_stream(
    aclaude: anthropic.AsyncAnthropic, provider: Replay, events: Events
) -> None:
    """A stream that is refused never begins."""
    provider.answers(answers.error(529))
    with pytest.raises(anthropic.APIStatusError):
        async with aclaude.messages.stream(
            **{**ASK, "model": "claude-opus-4-6", "max_tokens": 5}
        ):
            pass
    assert events.only().error_type == "OverloadedError"


def test_nobody_answers(events: Events) -> None:
    """A provider that cannot be reached is an error without usage."""
    url = "http://127.0.0.1:1/v1"
    with (
        openai.OpenAI(base_url=url, api_key=KEY, max_retries=0) as client,
        pytest.raises(openai.APIConnectionError),
    ):
        taximeter.wrap(client).chat.completions.create(**ASK)
    event = events.only()
    assert (event.error_type, event.model) == ("APIConnectionError", "gpt-4o")


def test_a_provider_that_is_too_slow(
    client: openai.OpenAI, provider: Replay, events: Events
) -> None:
    """A timeout is one, by the library's name of it."""
    import threading

    reply = answers.json_reply(answers.chat(CHAT[0]["body"]))
    whole = reply.parts[0]
    hold = threading.Event()
    provider.answers(Reply([whole[:5], whole[5:]], headers=reply.headers, hold=hold))
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.2).chat.completions.create(**ASK)
    hold.set()
    assert events.only().error_type == "APITimeoutError"


def test_a_usage_that_nobody_understands(
    client: openai.OpenAI, provider: Replay, events: Events
) -> None:
    """The caller has the answer; the event becomes a dead letter, and holds no text."""
    body = answers.chat({"usage": {"prompt_tokens": -3, "completion_tokens": 1}})
    provider.answers(answers.json_reply(body))
    assert client.chat.completions.create(**ASK).id == body["id"]
    events.meter.flush()
    (event,) = events.emitter.sent
    assert isinstance(event, UsageNotUnderstood)
    assert event.response_id == body["id"]
    assert answers.ANSWER[0] not in event.model_dump_json()


class Broken:
    """An emitter of which every method raises."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        raise RuntimeError(name)


@pytest.mark.parametrize("stream", [False, True])
def test_a_broken_meter_fails_no_call(
    stream: bool,
    plain: openai.OpenAI,
    provider: Replay,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What goes wrong in metering is logged and counted, and the call goes on."""
    meter = taximeter.Meter(cast(taximeter.Emitter, Broken()))
    client = taximeter.wrap(plain, meter=meter)
    one = CHAT[0]["body"]
    provider.answers(
        answers.chat_stream(one) if stream else answers.json_reply(answers.chat(one))
    )
    with caplog.at_level(logging.ERROR):
        for _ in client.chat.completions.create(**ASK, stream=stream):
            pass
    assert meter.failures == 1
    assert "could not be recorded" in caplog.text


@pytest.mark.parametrize(
    "reply",
    [
        Reply([b"not json"], headers={"content-type": "application/json"}),
        Reply([b"[1, 2]"], headers={"content-type": "application/json"}),
        Reply([b"null"], headers={"content-type": "application/json"}),
        Reply([b'{"usage": "much"}'], headers={"content-type": "application/json"}),
        Reply([b'{"id": 3, "model": []}'], headers={"content-type": "text/json"}),
        Reply([b"<html>"], headers={"content-type": "text/html"}),
        Reply([b""], headers={}),
    ],
)
def test_odd_answers_are_the_callers_as_they_are(
    reply: Reply, plain: openai.OpenAI, provider: Replay, events: Events
) -> None:
    """What the library makes of them it makes with the meter too; one event tells."""
    provider.answers(reply)

    def outcome() -> object:
        try:
            return client.chat.completions.with_raw_response.create(**ASK).content
        except Exception as error:
            return type(error), str(error)

    client = plain
    before = outcome()
    client = taximeter.wrap(plain)
    assert outcome() == before
    assert events.meter.flush(240)
    assert len(events.emitter.sent) == 1
    assert events.meter.failures == 0


def test_without_a_meter_calls_go_on(
    plain: openai.OpenAI, provider: Replay, caplog: pytest.LogCaptureFixture
) -> None:
    """A client wrapped before `start` makes its calls, and says what is missing."""
    taximeter.stop()
    provider.answers(answers.json_reply(answers.chat(CHAT[0]["body"])))
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert taximeter.wrap(plain).chat.completions.create(**ASK).choices
    assert caplog.text.count("taximeter.start()") <= 1
