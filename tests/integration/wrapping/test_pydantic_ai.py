"""Pydantic AI's agents, counted by a model around the model."""

from __future__ import annotations

from collections.abc import AsyncIterator

import openai
import pytest
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

import taximeter
from taximeter_producers.integrations.pydantic_ai import MeteredModel
from taximeter_schemas.usage import Usage
from tests import provider_answers as answers
from tests.integration.wrapping.conftest import KEY, Events
from tests.integration.wrapping.test_openai_client import CHAT, RESPONSES, agrees
from tests.proving import proves
from tests.replaying import Replay, Reply

QUESTION = "What is the capital of France?"


@pytest.fixture
async def bare(provider: Replay, events: Events) -> AsyncIterator[OpenAIProvider]:
    """Give Pydantic AI's provider of OpenAI, not metered."""
    url = f"{provider.url}/v1"
    async with openai.AsyncOpenAI(base_url=url, api_key=KEY, max_retries=0) as client:
        yield OpenAIProvider(openai_client=client)


@pytest.fixture
def agent(bare: OpenAIProvider) -> Agent[None, str]:
    """Give an agent with a metered model."""
    return Agent(MeteredModel(OpenAIChatModel("gpt-4o", provider=bare)))


@proves("pydantic_ai", "tokens", "async", "streaming")
async def test_every_kind_of_call(
    agent: Agent[None, str], bare: OpenAIProvider, provider: Replay, events: Events
) -> None:
    """Whole and streamed, chats and responses, each is an event with its usage."""
    for one in CHAT:
        provider.answers(answers.json_reply(answers.chat(one["body"])))
        await agent.run(QUESTION)
        event = events.only()
        assert agrees(event, one), one
        assert (event.provider, event.model) == ("openai", "gpt-4o")
        provider.answers(answers.chat_stream(one["body"]))
        async with agent.run_stream(QUESTION) as streamed:
            assert await streamed.get_output() == "".join(answers.ANSWER)
        assert agrees(events.only(), one), one
    newer = Agent(MeteredModel(OpenAIResponsesModel("gpt-5", provider=bare)))
    provider.answers(answers.json_reply(answers.response(RESPONSES[0]["body"])))
    await newer.run(QUESTION)
    assert agrees(events.only(), RESPONSES[0])


@proves("pydantic_ai", "errors")
async def test_failed_calls(
    agent: Agent[None, str], provider: Replay, events: Events
) -> None:
    """A refusal is an event with the provider's name of the error."""
    provider.answers(answers.error(429))
    with pytest.raises(ModelHTTPError):
        await agent.run(QUESTION)
    event = events.only()
    assert (event.error_type, event.usage) == ("RateLimitError", Usage())
    with pytest.raises(ModelHTTPError):
        async with agent.run_stream(QUESTION):
            pass
    assert events.only().error_type == "RateLimitError"
    whole = answers.chat_stream(CHAT[0]["body"])
    provider.answers(Reply(whole.parts[:3], headers=whole.headers, cut=True))
    with pytest.raises(Exception, match="onnection"):
        async with agent.run_stream(QUESTION) as streamed:
            await streamed.get_output()
    assert events.only().usage_source == "estimated"


@proves("pydantic_ai", "retries")
async def test_a_fallback(
    bare: OpenAIProvider, provider: Replay, events: Events
) -> None:
    """Each model that was asked is an event."""
    one, other = (OpenAIChatModel(n, provider=bare) for n in ("gpt-4o", "gpt-4.1"))
    done = answers.json_reply(answers.chat(CHAT[0]["body"]))
    provider.answers(answers.error(500), done)
    agent = Agent(FallbackModel(MeteredModel(one), MeteredModel(other)))
    await agent.run(QUESTION)
    first, second = events.all()
    assert (first.model, first.error_type) == ("gpt-4o", "InternalServerError")
    assert (second.model, second.status) == ("gpt-4.1", "ok")
    assert first.trace_id == second.trace_id is not None


@proves("pydantic_ai", "cut")
async def test_a_reader_that_stops_early(
    agent: Agent[None, str], provider: Replay, events: Events
) -> None:
    """What was read until then is estimated; a reader's own error stays its own."""
    provider.answers(answers.chat_stream(CHAT[0]["body"]))

    async def read() -> None:
        async with agent.run_stream(QUESTION) as streamed:
            async for text in streamed.stream_text(debounce_by=None):
                raise KeyError(text)

    with pytest.raises(KeyError):
        await read()
    event = events.only()
    assert (event.usage_source, event.status) == ("estimated", "ok")
    assert event.usage.text_output_tokens > 0


@proves("pydantic_ai", "once", "secrets")
async def test_no_call_counts_twice(
    agent: Agent[None, str], provider: Replay, events: Events
) -> None:
    """Where a metered client makes the call, that tells of it, and of failures."""
    whole = answers.json_reply(answers.chat(CHAT[0]["body"]))
    provider.answers(whole)
    await agent.run(QUESTION)
    told = events.only()
    taximeter.instrument()
    await agent.run(QUESTION)
    event = events.only()
    assert (event.event_id, event.usage) == (told.event_id, told.usage)
    provider.answers(answers.chat_stream(CHAT[0]["body"]))
    async with agent.run_stream(QUESTION) as streamed:
        await streamed.get_output()
    assert agrees(events.only(), CHAT[0])
    provider.answers(answers.error(500))
    with pytest.raises(ModelHTTPError):
        await agent.run(QUESTION)
    assert events.only().error_type == "InternalServerError"
