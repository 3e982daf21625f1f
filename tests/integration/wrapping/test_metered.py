"""A decorated function's calls are for somebody, and its result counts once."""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest

import taximeter
from taximeter_producers.attribution import current_attribution
from tests import provider_answers as answers
from tests.integration.wrapping.conftest import Events
from tests.integration.wrapping.test_openai_client import ASK, CHAT, agrees
from tests.replaying import Replay

BODY = CHAT[0]["body"]
for_search = taximeter.metered(project="search", endpoint="/answer")
Client = openai.OpenAI


def is_for_search(event: taximeter.UsageRecorded) -> bool:
    """Tell whether an event says what the decorator does."""
    return (event.project_id, event.endpoint) == ("search", "/answer")


@pytest.fixture(params=[True, False], ids=["wrapped", "plain"])
def either(
    request: pytest.FixtureRequest, plain: openai.OpenAI, events: Events
) -> openai.OpenAI:
    """Give a client, metered or not: to the decorator it is all the same."""
    return taximeter.wrap(plain) if request.param else plain


def test_an_answer(either: Client, provider: Replay, events: Events) -> None:
    """An answer that is returned is one event, whoever counts it."""

    @for_search
    def answer() -> object:
        return either.chat.completions.create(**ASK)

    provider.answers(answers.json_reply(answers.chat(BODY)))
    assert type(answer()).__name__ == "ChatCompletion"
    event = events.only()
    assert agrees(event, CHAT[0])
    assert is_for_search(event)
    assert (event.provider, event.operation) == ("openai", "chat")


def test_a_stream(either: Client, provider: Replay, events: Events) -> None:
    """A stream that is returned stays the library's own, and counts when it ends."""

    @for_search
    def answer() -> openai.Stream[Any]:
        stream: openai.Stream[Any] = either.chat.completions.create(**ASK, stream=True)
        return stream

    provider.answers(answers.chat_stream(BODY))
    stream = answer()
    assert type(stream) is openai.Stream
    assert events.all() == []
    assert len(list(stream)) == len(answers.ANSWER) + 3
    event = events.only()
    assert agrees(event, CHAT[0])
    assert is_for_search(event)


def test_a_generator_of_chunks(
    either: Client, provider: Replay, events: Events
) -> None:
    """What is yielded is counted at the end; the block holds only while it runs."""

    @for_search
    def answer() -> Generator[Any, None, str]:
        assert current_attribution().project_id == "search"
        yield from either.chat.completions.create(**ASK, stream=True)
        return "done"

    assert inspect.isgeneratorfunction(answer)
    provider.answers(answers.chat_stream(BODY))
    reading = answer()
    for _ in reading:
        assert current_attribution().project_id is None
    event = events.only()
    assert agrees(event, CHAT[0])
    assert is_for_search(event)


def test_a_generator_that_is_left(
    either: Client, provider: Replay, events: Events
) -> None:
    """One that nobody reads to its end is an estimate of what was read."""

    @for_search
    def answer() -> Generator[Any, None, None]:
        with either.chat.completions.create(**ASK, stream=True) as stream:
            yield from stream

    provider.answers(answers.chat_stream(BODY))
    reading = answer()
    assert next(reading) != next(reading)
    del reading
    gc.collect()
    event = events.only()
    assert event.usage_source == "estimated"
    assert is_for_search(event)


async def test_asynchronous_functions(
    aclient: openai.AsyncOpenAI, provider: Replay, events: Events
) -> None:
    """Coroutines and asynchronous generators are metered as the others are."""

    @for_search
    async def answer() -> object:
        await asyncio.sleep(0)
        return await aclient.chat.completions.create(**ASK)

    @for_search
    async def stream() -> AsyncGenerator[Any, None]:
        async for chunk in await aclient.chat.completions.create(**ASK, stream=True):
            yield chunk

    assert inspect.iscoroutinefunction(answer)
    assert inspect.isasyncgenfunction(stream)
    for client in (aclient, taximeter.unwrap(aclient)):
        assert client is aclient
        provider.answers(answers.json_reply(answers.chat(BODY)))
        await answer()
        assert is_for_search(events.all()[0])
        assert agrees(events.only(), CHAT[0])
        provider.answers(answers.chat_stream(BODY))
        async for _ in stream():
            assert current_attribution().project_id is None
        assert is_for_search(events.all()[0])
        assert agrees(events.only(), CHAT[0])


@pytest.mark.parametrize("wrapped", [True, False])
def test_an_error(
    wrapped: bool, plain: Client, provider: Replay, events: Events
) -> None:
    """The library's error passes through, and is an event; one's own error is none."""
    client = taximeter.wrap(plain) if wrapped else plain

    @taximeter.metered(project="search", endpoint="/answer", model="gpt-4o")
    def answer(mine: BaseException | None = None) -> object:
        if mine is not None:
            raise mine
        return client.chat.completions.create(**ASK)

    provider.answers(answers.error(429))
    with pytest.raises(openai.RateLimitError):
        answer()
    event = events.only()
    assert (event.status, event.error_type) == ("error", "RateLimitError")
    assert (event.model, is_for_search(event)) == ("gpt-4o", True)
    mistake = KeyError()
    with pytest.raises(KeyError) as raised:
        answer(mistake)
    assert raised.value is mistake
    assert events.all() == []


@pytest.mark.parametrize("result", [None, 3, "text", {"a": 1}, [1], object()])
def test_what_is_no_answer_is_returned_as_it_is(result: object, events: Events) -> None:
    """A function that returns something else is not counted, and not disturbed."""

    @for_search
    def answer() -> object:
        return result

    assert answer() is result
    assert events.all() == []
    assert events.meter.failures == 0


def test_a_generator_stays_one(events: Events) -> None:
    """What is sent and thrown into it arrives, what it returns and raises as well."""

    @for_search
    def echo() -> Generator[object, object, str]:
        got: object = None
        while got != "stop":
            try:
                got = yield got
            except KeyError as error:
                got = error
        return "stopped"

    reading = echo()
    assert next(reading) is None
    assert reading.send(1) == 1
    mine = KeyError()
    assert reading.throw(mine) is mine
    with pytest.raises(StopIteration, match="stopped"):
        reading.send("stop")


async def test_an_asynchronous_generator_stays_one(events: Events) -> None:
    """A context manager made of one still gets what is raised in its block."""
    seen: list[BaseException] = []

    @asynccontextmanager
    @for_search
    async def block() -> AsyncGenerator[int, None]:
        try:
            yield 1
        except KeyError as error:
            seen.append(error)

    async with block() as one:
        assert one == 1
        raise KeyError
    assert [type(error) for error in seen] == [KeyError]


@pytest.mark.parametrize("shape", ["dict", "json"])
def test_an_answer_without_a_library(
    shape: str, events: Events, provider: Replay
) -> None:
    """An answer got by hand is one too, where the decorator says whose it is."""
    import json

    body = answers.chat(BODY)

    @taximeter.metered(provider="deepseek", model="deepseek-chat", project="search")
    def answer() -> object:
        return body if shape == "dict" else json.dumps(body)

    answer()
    event = events.only()
    assert agrees(event, CHAT[0])
    assert (event.provider, event.model) == ("deepseek", "deepseek-chat")
    assert event.response_id == body["id"]


def test_without_a_meter(plain: Client, provider: Replay) -> None:
    """Before `start` a decorated function does what it did."""
    taximeter.stop()
    provider.answers(answers.json_reply(answers.chat(BODY)))

    @for_search
    def answer(call: Callable[..., Any]) -> Any:
        return call(**ASK)

    assert answer(plain.chat.completions.create).choices
