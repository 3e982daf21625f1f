"""LangChain's models, counted by its callbacks: each call is one event."""

from __future__ import annotations

import gc
from typing import Any

import openai
import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI, OpenAI
from pydantic import SecretStr

import taximeter
from taximeter_producers.integrations.langchain import TaximeterCallback
from taximeter_schemas.usage import Usage
from tests import provider_answers as answers
from tests.integration.wrapping.conftest import KEY, Events
from tests.integration.wrapping.test_openai_client import CHAT, RESPONSES, agrees
from tests.proving import proves
from tests.replaying import Replay, Reply

QUESTION = "What is the capital of France?"


def model(provider: Replay, **more: Any) -> ChatOpenAI:
    """Return LangChain's model of OpenAI, with the callback."""
    chosen: Any = {"stream_usage": True, "callbacks": [TaximeterCallback()]} | more
    return ChatOpenAI(
        model="gpt-4o",
        base_url=f"{provider.url}/v1",
        api_key=SecretStr(KEY),
        max_retries=0,
        **chosen,
    )


@proves("langchain", "tokens", "async", "streaming")
async def test_every_kind_of_call(provider: Replay, events: Events) -> None:
    """Whole and streamed, sync and async, each is an event with its usage."""
    llm = model(provider)
    for one in CHAT:
        provider.answers(answers.json_reply(answers.chat(one["body"])))
        llm.invoke(QUESTION)
        event = events.only()
        assert agrees(event, one), one
        assert (event.provider, event.model) == ("openai", "gpt-4o")
        provider.answers(answers.chat_stream(one["body"]))
        assert "".join(str(c.content) for c in llm.stream(QUESTION)) == "".join(
            answers.ANSWER
        )
        assert agrees(events.only(), one), one
    provider.answers(answers.json_reply(answers.chat(CHAT[0]["body"])))
    await llm.ainvoke(QUESTION)
    assert agrees(events.only(), CHAT[0])
    provider.answers(answers.chat_stream(CHAT[0]["body"]))
    async for _ in llm.astream(QUESTION):
        pass
    assert agrees(events.only(), CHAT[0])
    responses = model(provider, use_responses_api=True)
    provider.answers(answers.json_reply(answers.response(RESPONSES[0]["body"])))
    responses.invoke(QUESTION)
    assert agrees(events.only(), RESPONSES[0])


def test_a_chain_and_a_batch(provider: Replay, events: Events) -> None:
    """Within a chain, and many at once, each call of a model is one event."""
    chain = ChatPromptTemplate.from_template("{q}") | model(provider, callbacks=[])
    provider.answers(answers.json_reply(answers.chat(CHAT[0]["body"])))
    config: Any = {"callbacks": [TaximeterCallback()]}
    chain.batch([{"q": "a"}, {"q": "b"}, {"q": "c"}], config)
    assert len(events.all()) == 3


def test_a_completion_model(provider: Replay, events: Events) -> None:
    """The older models have no messages; several prompts are one request."""
    usage = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
    choices = [{"index": n, "text": "Paris", "finish_reason": "stop"} for n in (0, 1)]
    body = {"id": "cmpl-0123456789abcdef", "object": "text_completion", "created": 1}
    whole = {**body, "model": "x", "choices": choices, "usage": usage}
    provider.answers(answers.json_reply(whole))
    llm = OpenAI(
        model="gpt-3.5-turbo-instruct",
        base_url=f"{provider.url}/v1",
        api_key=SecretStr(KEY),
        callbacks=[TaximeterCallback()],
    )
    llm.generate(["a", "b"])
    event = events.only()
    assert event.usage == Usage(text_input_tokens=5, text_output_tokens=7)


@proves("langchain", "errors")
def test_failed_calls(provider: Replay, events: Events) -> None:
    """A refusal is an event with the provider's name of the error."""
    provider.answers(answers.error(429))
    with pytest.raises(openai.RateLimitError):
        model(provider).invoke(QUESTION)
    event = events.only()
    assert (event.status, event.error_type) == ("error", "RateLimitError")
    assert event.usage == Usage()
    whole = answers.chat_stream(CHAT[0]["body"])
    provider.answers(Reply(whole.parts[:3], headers=whole.headers, cut=True))
    with pytest.raises(Exception, match="peer closed connection"):
        list(model(provider).stream(QUESTION))
    event = events.only()
    assert event.usage_source == "estimated"
    assert event.usage.text_output_tokens > 0


@proves("langchain", "cut")
def test_a_reader_that_stops_early(provider: Replay, events: Events) -> None:
    """What was read until then is estimated, once, also where nobody closes it."""
    provider.answers(answers.chat_stream(CHAT[0]["body"]))
    stream = model(provider).stream(QUESTION)
    for chunk in stream:
        if chunk.content:
            break
    assert events.all() == []
    del stream
    gc.collect()
    event = events.only()
    assert (event.usage_source, event.status) == ("estimated", "ok")
    assert event.usage.text_input_tokens > 0


@proves("langchain", "once", "secrets")
def test_no_call_counts_twice(provider: Replay, events: Events) -> None:
    """Where a metered client makes the call, that tells of it, and of failures."""
    taximeter.instrument()
    llm = model(provider)
    provider.answers(answers.json_reply(answers.chat(CHAT[0]["body"])))
    llm.invoke(QUESTION)
    assert agrees(events.only(), CHAT[0])
    provider.answers(answers.chat_stream(CHAT[0]["body"]))
    list(llm.stream(QUESTION))
    assert agrees(events.only(), CHAT[0])
    provider.answers(answers.error(500))
    with pytest.raises(openai.InternalServerError):
        llm.invoke(QUESTION)
    assert events.only().error_type == "InternalServerError"
    taximeter.uninstrument()
    provider.answers(answers.json_reply(answers.chat(CHAT[0]["body"])))
    llm.invoke(QUESTION)
    assert agrees(events.only(), CHAT[0])


def test_both_name_a_call_alike(provider: Replay, events: Events) -> None:
    """Told by the callback or by the client, an answer has the same event id."""
    whole = answers.json_reply(answers.chat(CHAT[0]["body"]))
    provider.answers(whole)
    model(provider).invoke(QUESTION)
    told = events.only()
    taximeter.instrument()
    model(provider, callbacks=[]).invoke(QUESTION)
    assert events.only().event_id == told.event_id


def test_an_answer_from_the_cache_is_no_call(provider: Replay, events: Events) -> None:
    """LangChain's own cache costs nothing."""
    llm = model(provider, cache=InMemoryCache())
    provider.answers(answers.json_reply(answers.chat(CHAT[0]["body"])))
    assert llm.invoke(QUESTION).content == llm.invoke(QUESTION).content
    assert agrees(events.only(), CHAT[0])


def test_whom_a_call_is_for(provider: Replay, events: Events) -> None:
    """The block around it says it, and what it leaves open a run's metadata."""
    provider.answers(answers.json_reply(answers.chat(CHAT[0]["body"])))
    config: Any = {"metadata": {"user_id": "ada", "thread_id": "t-1"}}
    with taximeter.attribute(project="search"):
        model(provider).invoke(QUESTION, config)
    event = events.only()
    assert (event.user_id, event.project_id, event.session_id) == (
        "ada",
        "search",
        "t-1",
    )
    with taximeter.attribute(user="bob"):
        model(provider).invoke(QUESTION, config)
    assert events.only().user_id == "bob"
