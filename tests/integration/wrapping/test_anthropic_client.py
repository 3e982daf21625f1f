"""Anthropic's own client, wrapped: each kind of call is an event that is right."""

from __future__ import annotations

from typing import Any

import anthropic
import pytest
from anthropic.lib.streaming import MessageStream

from tests import provider_answers as answers
from tests.integration.wrapping.conftest import Events
from tests.integration.wrapping.test_openai_client import agrees
from tests.proving import proves
from tests.replaying import Replay

ASK: Any = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "What is the capital of France?"}],
}
MESSAGES = answers.kinds("anthropic.messages")
ENOUGH = [one for one in MESSAGES if not one["body"]["usage"].get("iterations")]

# The library warns of models that will be retired.
pytestmark = pytest.mark.filterwarnings("ignore:The model:DeprecationWarning")


@proves("anthropic", "tokens")
def test_every_kind_of_message(
    claude: anthropic.Anthropic, provider: Replay, events: Events
) -> None:
    """Each kind of answer, whole and as a stream, is an event with its usage."""
    for one in ENOUGH:
        provider.answers(answers.json_reply(answers.message(one["body"])))
        claude.messages.create(**ASK)
        event = events.only()
        assert agrees(event, one), one
        assert (event.provider, event.model) == ("anthropic", "claude-sonnet-4-5")

        provider.answers(answers.message_stream(one["body"]))
        for _ in claude.messages.create(**ASK, stream=True):
            pass
        assert agrees(events.only(), one), one


def test_what_is_billed_beside_a_message(
    claude: anthropic.Anthropic, provider: Replay, events: Events
) -> None:
    """A compaction, or an advisor's model, is an event of its own under its own id."""
    beside = [one for one in MESSAGES if one not in ENOUGH]
    for one in beside:
        provider.answers(answers.json_reply(answers.message(one["body"])))
        claude.messages.create(**ASK)
        listed = one["body"]["usage"]["iterations"]
        others = [i for i in listed if i.get("type") != "message"]
        found = events.all()
        assert agrees(found[0], one)
        assert len({e.event_id for e in found}) == len(found) == 1 + len(others)
        events.emitter.sent.clear()


def test_the_stream_with_helpers(
    claude: anthropic.Anthropic, provider: Replay, events: Events
) -> None:
    """`messages.stream()` is the library's own, and one event when it is over."""
    provider.answers(answers.message_stream(MESSAGES[0]["body"]))
    with claude.messages.stream(**ASK) as stream:
        assert type(stream) is MessageStream
        assert list(stream.text_stream) == answers.ANSWER
        final = stream.get_final_message()
    event = events.only()
    assert agrees(event, MESSAGES[0])
    assert event.response_id == final.id


@proves("anthropic", "async")
async def test_the_asynchronous_client(
    aclaude: anthropic.AsyncAnthropic, provider: Replay, events: Events
) -> None:
    """It is metered as the other one is: whole, streamed, with helpers, raw."""
    provider.answers(answers.json_reply(answers.message(MESSAGES[0]["body"])))
    await aclaude.messages.create(**ASK)
    assert agrees(events.only(), MESSAGES[0])
    await aclaude.messages.with_raw_response.create(**ASK)
    assert agrees(events.only(), MESSAGES[0])
    provider.answers(answers.message_stream(MESSAGES[0]["body"]))
    async for _ in await aclaude.messages.create(**ASK, stream=True):
        pass
    assert agrees(events.only(), MESSAGES[0])
    async with aclaude.messages.stream(**ASK) as stream:
        assert [text async for text in stream.text_stream] == answers.ANSWER
    assert agrees(events.only(), MESSAGES[0])


def test_the_user_in_the_metadata(
    claude: anthropic.Anthropic, provider: Replay, events: Events
) -> None:
    """Anthropic's `metadata.user_id` says whom a call is for, if nobody else does."""
    provider.answers(answers.json_reply(answers.message(MESSAGES[0]["body"])))
    claude.messages.create(**ASK, metadata={"user_id": "ada"})
    assert events.only().user_id == "ada"
