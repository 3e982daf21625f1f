"""OpenAI's Agents SDK, counted by a provider around its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import openai
import pytest
from agents import Agent, RunConfig, Runner
from agents.models.openai_provider import OpenAIProvider

import taximeter
from taximeter_producers.integrations.openai_agents import MeteredProvider
from taximeter_schemas.usage import Usage
from tests import provider_answers as answers
from tests.integration.wrapping.conftest import KEY, Events
from tests.integration.wrapping.test_openai_client import CHAT, RESPONSES, agrees
from tests.proving import proves
from tests.replaying import Replay, Reply

QUESTION = "What is the capital of France?"
AGENT = Agent(name="guide", instructions="Be brief.", model="gpt-5")


@pytest.fixture
async def http(provider: Replay, events: Events) -> AsyncIterator[openai.AsyncOpenAI]:
    """Give OpenAI's client, not metered."""
    url = f"{provider.url}/v1"
    async with openai.AsyncOpenAI(base_url=url, api_key=KEY, max_retries=0) as client:
        yield client


def run_by(client: openai.AsyncOpenAI, *, responses: bool = True) -> RunConfig:
    """Return how a run finds its models: metered, over this client."""
    inner = OpenAIProvider(openai_client=client, use_responses=responses)
    return RunConfig(model_provider=MeteredProvider(inner), tracing_disabled=True)


@proves("openai_agents", "tokens", "async", "streaming")
async def test_every_kind_of_call(
    http: openai.AsyncOpenAI, provider: Replay, events: Events
) -> None:
    """Whole and streamed, responses and chats, each is an event with its usage."""
    for one in RESPONSES:
        provider.answers(answers.json_reply(answers.response(one["body"])))
        done = await Runner.run(AGENT, QUESTION, run_config=run_by(http))
        assert done.final_output == "".join(answers.ANSWER)
        event = events.only()
        assert agrees(event, one), one
        assert (event.provider, event.model) == ("openai", "gpt-5")
        provider.answers(answers.response_stream(one["body"]))
        streamed = Runner.run_streamed(AGENT, QUESTION, run_config=run_by(http))
        async for _ in streamed.stream_events():
            pass
        assert agrees(events.only(), one), one
    chats = run_by(http, responses=False)
    provider.answers(answers.json_reply(answers.chat(CHAT[0]["body"])))
    await Runner.run(AGENT, QUESTION, run_config=chats)
    assert agrees(events.only(), CHAT[0])
    provider.answers(answers.chat_stream(CHAT[0]["body"]))
    streamed = Runner.run_streamed(AGENT, QUESTION, run_config=chats)
    async for _ in streamed.stream_events():
        pass
    assert agrees(events.only(), CHAT[0])


@proves("openai_agents", "errors")
async def test_failed_calls(
    http: openai.AsyncOpenAI, provider: Replay, events: Events
) -> None:
    """A refusal is an event with the provider's name of the error."""
    provider.answers(answers.error(429))
    with pytest.raises(openai.RateLimitError):
        await Runner.run(AGENT, QUESTION, run_config=run_by(http))
    event = events.only()
    assert (event.error_type, event.usage) == ("RateLimitError", Usage())
    whole = answers.response_stream(RESPONSES[0]["body"])
    provider.answers(Reply(whole.parts[:5], headers=whole.headers, cut=True))
    streamed = Runner.run_streamed(AGENT, QUESTION, run_config=run_by(http))
    with pytest.raises(Exception, match="peer closed connection"):
        async for _ in streamed.stream_events():
            pass
    event = events.only()
    assert event.usage_source == "estimated"
    assert event.usage.text_output_tokens > 0


@proves("openai_agents", "cut")
async def test_a_reader_that_stops_early(
    http: openai.AsyncOpenAI, provider: Replay, events: Events
) -> None:
    """A model's stream that is left is estimated."""
    inner = OpenAIProvider(openai_client=http)
    model = MeteredProvider(inner).get_model("gpt-5")
    provider.answers(answers.response_stream(RESPONSES[0]["body"]))
    streamed = Runner.run_streamed(
        AGENT.clone(model=model), QUESTION, run_config=run_by(http)
    )
    async for event in streamed.stream_events():
        if event.type == "raw_response_event" and "delta" in event.data.type:
            streamed.cancel()
    assert len(events.all()) == 1


@proves("openai_agents", "once", "secrets")
async def test_no_call_counts_twice(
    http: openai.AsyncOpenAI, provider: Replay, events: Events
) -> None:
    """Where a metered client makes the call, that tells of it, and of failures."""
    whole = answers.json_reply(answers.response(RESPONSES[0]["body"]))
    provider.answers(whole)
    await Runner.run(AGENT, QUESTION, run_config=run_by(http))
    told = events.only()
    taximeter.wrap(http)
    await Runner.run(AGENT, QUESTION, run_config=run_by(http))
    event = events.only()
    assert (event.event_id, event.usage) == (told.event_id, told.usage)
    provider.answers(answers.chat_stream(CHAT[0]["body"]))
    streamed = Runner.run_streamed(
        AGENT, QUESTION, run_config=run_by(http, responses=False)
    )
    async for _ in streamed.stream_events():
        pass
    assert agrees(events.only(), CHAT[0])
    provider.answers(answers.error(500))
    with pytest.raises(openai.InternalServerError):
        await Runner.run(AGENT, QUESTION, run_config=run_by(http))
    assert events.only().error_type == "InternalServerError"
