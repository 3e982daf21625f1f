"""However a stream ends, it is one event: never none, never two."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import Any

import anthropic
import httpx
import openai
import pytest

from tests import provider_answers as answers
from tests.integration.wrapping.conftest import Events
from tests.integration.wrapping.test_openai_client import ASK, CHAT, agrees
from tests.replaying import Replay, Reply
from tests.waiting import eventually

CLAUDE_ASK: Any = {**ASK, "model": "claude-opus-4-6", "max_tokens": 10}
MESSAGE = answers.real("anthropic.messages")[0]
pytestmark = pytest.mark.filterwarnings("ignore:The model:DeprecationWarning")


def cut(reply: Reply, after: int) -> Reply:
    """Return a stream whose connection breaks."""
    return Reply(reply.parts[:after], headers=reply.headers, cut=True)


def held(reply: Reply) -> Reply:
    """Return a stream that stands still after its first event, until it is let go."""
    return Reply(reply.parts, headers=reply.headers, hold=threading.Event())


def stream_of(client: openai.OpenAI) -> openai.Stream[Any]:
    """Return the stream of a call."""
    stream: openai.Stream[Any] = client.chat.completions.create(**ASK, stream=True)
    return stream


def test_without_usage_it_is_estimated(
    client: openai.OpenAI, provider: Replay, events: Events
) -> None:
    """A stream that states none is counted by what was asked and answered."""
    provider.answers(answers.chat_stream(CHAT[0]["body"], include_usage=False))
    for _ in stream_of(client):
        pass
    event = events.only()
    assert (event.usage_source, event.status) == ("estimated", "ok")
    assert event.usage.text_output_tokens == 7  # "The capital of France is Paris."
    assert 8 <= event.usage.text_input_tokens <= 16
    assert event.response_id is not None


@pytest.mark.parametrize("closed", [True, False], ids=["closed", "dropped"])
def test_a_reader_that_stops_early(
    closed: bool, client: openai.OpenAI, provider: Replay, events: Events
) -> None:
    """What was read until then is estimated, be the stream closed or let go."""
    reply = held(answers.chat_stream(CHAT[0]["body"]))
    provider.answers(reply)
    stream = stream_of(client)
    next(iter(stream))
    assert events.all() == []
    if closed:
        stream.close()
    del stream
    gc.collect()
    event = events.only()
    assert (event.usage_source, event.status) == ("estimated", "ok")
    assert reply.hold is not None
    reply.hold.set()


def test_a_reader_that_raises(
    client: openai.OpenAI, provider: Replay, events: Events
) -> None:
    """An exception in the loop around a stream passes through as it is."""
    provider.answers(answers.chat_stream(CHAT[0]["body"]))
    mistake = KeyError("mine")

    def read() -> None:
        with stream_of(client) as stream:
            for _ in stream:
                raise mistake

    with pytest.raises(KeyError) as raised:
        read()
    assert raised.value is mistake
    del raised
    gc.collect()
    assert events.only().usage_source == "estimated"


def test_it_is_never_two(
    client: openai.OpenAI, provider: Replay, events: Events
) -> None:
    """Read to its end, closed twice, and collected: still one."""
    provider.answers(answers.chat_stream(CHAT[0]["body"]))
    with stream_of(client) as stream:
        for _ in stream:
            pass
    stream.close()
    stream.response.close()
    del stream
    gc.collect()
    assert agrees(events.only(), CHAT[0])


def test_a_provider_that_hangs_up(
    client: openai.OpenAI, provider: Replay, events: Events
) -> None:
    """The caller gets the library's error, and the event says it, with what came."""
    provider.answers(cut(answers.chat_stream(CHAT[0]["body"]), 3))
    with pytest.raises((openai.APIConnectionError, httpx.RemoteProtocolError)):
        for _ in stream_of(client):
            pass
    event = events.only()
    assert (event.status, event.error_type) == ("error", "APIConnectionError")
    assert event.usage_source == "estimated"
    assert event.usage.text_output_tokens > 0


def test_what_was_stated_before_it_broke_counts(
    client: openai.OpenAI, provider: Replay, events: Events
) -> None:
    """A stream that breaks behind its usage is reported, not estimated."""
    reply = answers.chat_stream(CHAT[0]["body"])
    provider.answers(cut(reply, len(reply.parts) - 1))
    with pytest.raises((openai.APIConnectionError, httpx.RemoteProtocolError)):
        for _ in stream_of(client):
            pass
    event = events.only()
    assert agrees(event, CHAT[0])
    assert (event.usage_source, event.status) == ("reported", "error")


def test_an_error_in_the_middle_of_a_stream(
    claude: anthropic.Anthropic, provider: Replay, events: Events
) -> None:
    """An error that the stream tells of is the event's, with the input so far."""
    reply = answers.message_stream(MESSAGE["body"])
    told = answers.sse(
        [("error", {"type": "error", "error": {"type": "overloaded_error"}})]
    )
    provider.answers(Reply(reply.parts[:4] + told.parts, headers=reply.headers))
    with pytest.raises(anthropic.APIStatusError):
        for _ in claude.messages.create(**CLAUDE_ASK, stream=True):
            pass
    event = events.only()
    assert (event.status, event.error_type) == ("error", "overloaded_error")
    assert event.usage.text_input_tokens == MESSAGE["body"]["usage"]["input_tokens"]


def test_a_message_that_is_left_early(
    claude: anthropic.Anthropic, provider: Replay, events: Events
) -> None:
    """Its input is stated at the start; its output is what was read of it."""
    provider.answers(answers.message_stream(MESSAGE["body"]))
    with claude.messages.stream(**CLAUDE_ASK) as stream:
        for _ in stream.text_stream:
            break
    event = events.only()
    assert event.usage_source == "estimated"
    assert event.usage.text_input_tokens == MESSAGE["body"]["usage"]["input_tokens"]


async def test_a_task_that_is_cancelled(
    aclient: openai.AsyncOpenAI, provider: Replay, events: Events
) -> None:
    """Its caller went away while the provider was thinking: one event, as an error."""
    reply = held(answers.chat_stream(CHAT[0]["body"]))
    provider.answers(reply)
    begun = asyncio.Event()

    async def read() -> None:
        async for _ in await aclient.chat.completions.create(**ASK, stream=True):
            begun.set()

    task = asyncio.create_task(read())
    async with asyncio.timeout(30):
        await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    event = events.only()
    assert (event.status, event.error_type) == ("error", "CancelledError")
    assert reply.hold is not None
    reply.hold.set()


async def test_an_asynchronous_stream_that_is_let_go(
    aclient: openai.AsyncOpenAI, provider: Replay, events: Events
) -> None:
    """Nobody closes it; it is counted once nobody can read it any more."""
    provider.answers(answers.chat_stream(CHAT[0]["body"]))
    stream: Any = await aclient.chat.completions.create(**ASK, stream=True)
    await anext(aiter(stream))
    await stream.response.aclose()
    del stream
    gc.collect()
    assert events.only().usage_source == "estimated"


def test_many_at_once(client: openai.OpenAI, provider: Replay, events: Events) -> None:
    """Streams of many threads, half of them left early, are one event each."""
    provider.answers(answers.chat_stream(CHAT[0]["body"]))
    failed: list[BaseException] = []

    def read(whole: bool) -> None:
        try:
            with stream_of(client) as stream:
                for _ in stream:
                    if not whole:
                        break
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=read, args=(n % 2 == 0,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    eventually(lambda: len(events.all()) == 20)
