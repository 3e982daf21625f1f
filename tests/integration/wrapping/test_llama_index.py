"""LlamaIndex's LLMs, counted by its instrumentation: each call is one event."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.prompts import PromptTemplate
from llama_index.llms.openai import OpenAI

import taximeter
from taximeter_producers.integrations import llama_index
from taximeter_schemas.usage import Usage
from tests import provider_answers as answers
from tests.integration.wrapping.conftest import KEY, Events
from tests.integration.wrapping.test_openai_client import CHAT, agrees
from tests.proving import proves
from tests.replaying import Replay, Reply

# It leaves sockets of asynchronous clients to the garbage collector.
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)

ASK = [ChatMessage(role="user", content="What is the capital of France?")]
# As LlamaIndex itself has it; another would be asked for by its own arguments.
STATED: Any = {"stream_options": {"include_usage": True}}


@pytest.fixture
def llm(provider: Replay, events: Events) -> Iterator[OpenAI]:
    """Give LlamaIndex's LLM of OpenAI, counted by its own hooks."""
    llama_index.instrument()
    llama_index.instrument()
    yield OpenAI(
        model="gpt-4o", api_base=f"{provider.url}/v1", api_key=KEY, max_retries=0
    )
    llama_index.uninstrument()


@proves("llama_index", "tokens", "async", "streaming")
async def test_every_kind_of_call(
    llm: OpenAI, provider: Replay, events: Events
) -> None:
    """Whole and streamed, sync and async, each is an event with its usage."""
    for one in CHAT:
        provider.answers(answers.json_reply(answers.chat(one["body"])))
        llm.chat(ASK)
        event = events.only()
        assert agrees(event, one), one
        assert (event.provider, event.model) == ("openai", "gpt-4o")
        assert event.response_id is not None
        provider.answers(answers.chat_stream(one["body"]))
        for _ in llm.stream_chat(ASK, **STATED):
            pass
        assert agrees(events.only(), one), one
    provider.answers(answers.json_reply(answers.chat(CHAT[0]["body"])))
    await llm.achat(ASK)
    assert agrees(events.only(), CHAT[0])
    llm.complete("hi")
    assert agrees(events.only(), CHAT[0])
    await llm.acomplete("hi")
    assert agrees(events.only(), CHAT[0])
    llm.predict(PromptTemplate("{q}"), q="hi")
    assert agrees(events.only(), CHAT[0])
    provider.answers(answers.chat_stream(CHAT[0]["body"]))
    async for _ in await llm.astream_chat(ASK, **STATED):
        pass
    assert agrees(events.only(), CHAT[0])
    for _ in llm.stream_complete("hi", **STATED):
        pass
    assert agrees(events.only(), CHAT[0])


@proves("llama_index", "errors")
async def test_failed_calls(llm: OpenAI, provider: Replay, events: Events) -> None:
    """A refusal is an event with the provider's name of the error."""
    provider.answers(answers.error(429))
    with pytest.raises(openai.RateLimitError):
        llm.chat(ASK)
    event = events.only()
    assert (event.error_type, event.usage) == ("RateLimitError", Usage())
    with pytest.raises(openai.RateLimitError):
        await llm.achat(ASK)
    assert events.only().error_type == "RateLimitError"
    whole = answers.chat_stream(CHAT[0]["body"])
    provider.answers(Reply(whole.parts[:3], headers=whole.headers, cut=True))
    with pytest.raises(Exception, match="peer closed connection"):
        list(llm.stream_chat(ASK))
    event = events.only()
    assert event.usage_source == "estimated"
    assert event.usage.text_output_tokens > 0


@proves("llama_index", "cut")
def test_a_reader_that_stops_early(
    llm: OpenAI, provider: Replay, events: Events
) -> None:
    """What was read until then is estimated, once, also where nobody closes it."""
    provider.answers(answers.chat_stream(CHAT[0]["body"]))
    stream = llm.stream_chat(ASK)
    for chunk in stream:
        if chunk.delta:
            break
    assert events.all() == []
    del stream
    gc.collect()
    event = events.only()
    assert (event.usage_source, event.status) == ("estimated", "ok")
    assert event.usage.text_output_tokens > 0


@proves("llama_index", "once", "secrets")
def test_no_call_counts_twice(llm: OpenAI, provider: Replay, events: Events) -> None:
    """Where a metered client makes the call, that tells of it, and of failures."""
    whole = answers.json_reply(answers.chat(CHAT[0]["body"]))
    provider.answers(whole)
    llm.chat(ASK)
    told = events.only()
    taximeter.instrument()
    llm.chat(ASK)
    event = events.only()
    assert (event.event_id, event.usage) == (told.event_id, told.usage)
    provider.answers(answers.error(500))
    with pytest.raises(openai.InternalServerError):
        llm.chat(ASK)
    assert events.only().error_type == "InternalServerError"
    llama_index.uninstrument()
    taximeter.uninstrument()
    provider.answers(whole)
    llm.chat(ASK)
    assert events.all() == []
