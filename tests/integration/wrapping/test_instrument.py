"""One call meters all clients of what is imported, another leaves them alone."""

from __future__ import annotations

from typing import Any

import anthropic
import openai
import pytest

import taximeter
from tests import provider_answers as answers
from tests.integration.wrapping.conftest import KEY, Events
from tests.integration.wrapping.test_openai_client import ASK, CHAT, agrees
from tests.replaying import Replay


def test_clients_made_before_and_after(
    plain: openai.OpenAI, provider: Replay, events: Events
) -> None:
    """`instrument()` meters both, `uninstrument()` takes back all that it did."""
    method: Any = vars(openai._base_client.SyncAPIClient)["request"]
    provider.answers(answers.json_reply(answers.chat(CHAT[0]["body"])))
    assert {"openai", "anthropic"} <= set(taximeter.instrument())
    assert taximeter.instrument() == taximeter.instrument()
    plain.chat.completions.create(**ASK)
    assert agrees(events.only(), CHAT[0])
    url = f"{provider.url}/v1"
    with openai.OpenAI(base_url=url, api_key=KEY) as later:
        later.chat.completions.create(**ASK)
        assert agrees(events.only(), CHAT[0])
        taximeter.uninstrument()
        later.chat.completions.create(**ASK)
    plain.chat.completions.create(**ASK)
    assert events.all() == []
    assert vars(openai._base_client.SyncAPIClient)["request"] is method
    assert "send" not in vars(plain._client)


async def test_asynchronous_clients(provider: Replay, events: Events) -> None:
    """They are metered by it too, streams included."""
    taximeter.instrument()
    message = answers.real("anthropic.messages")[0]
    provider.answers(answers.message_stream(message["body"]))
    made = anthropic.AsyncAnthropic(base_url=provider.url, api_key=KEY)
    async with made as client:
        stream = await client.messages.create(
            model="claude-opus-4-6",
            max_tokens=5,
            messages=[{"role": "user", "content": "hi"}],
            stream=True,
        )
        async for _ in stream:
            pass
    assert agrees(events.only(), message)


def test_wrapped_and_instrumented_is_one_event(
    client: openai.OpenAI, provider: Replay, events: Events
) -> None:
    """However often a client is metered, a call is one event; a wrap stays."""
    taximeter.instrument()
    taximeter.wrap(taximeter.wrap(client))
    provider.answers(answers.json_reply(answers.chat(CHAT[0]["body"])))
    client.chat.completions.create(**ASK)
    assert agrees(events.only(), CHAT[0])
    taximeter.uninstrument()
    client.chat.completions.create(**ASK)
    assert agrees(events.only(), CHAT[0])
    taximeter.unwrap(client)
    client.chat.completions.create(**ASK)
    assert events.all() == []


def test_an_http_client_that_is_shared(provider: Replay, events: Events) -> None:
    """Requests of one's own over the same HTTP client are nobody's calls."""
    import httpx

    url = f"{provider.url}/v1"
    with httpx.Client() as http:
        client = openai.OpenAI(base_url=url, api_key=KEY, http_client=http)
        taximeter.wrap(client)
        provider.answers(answers.json_reply(answers.chat(CHAT[0]["body"])))
        http.post(f"{url}/chat/completions", json=ASK)
        assert events.all() == []
        client.chat.completions.create(**ASK)
        assert agrees(events.only(), CHAT[0])


@pytest.mark.parametrize("way", [taximeter.wrap, None], ids=["wrap", "instrument"])
def test_a_class_of_ones_own(way: Any, provider: Replay, events: Events) -> None:
    """A client whose class is derived from the library's is metered alike."""

    class Ours(openai.OpenAI):
        pass

    url = f"{provider.url}/v1"
    provider.answers(answers.json_reply(answers.chat(CHAT[0]["body"])))
    with Ours(base_url=url, api_key=KEY) as client:
        if way is None:
            taximeter.instrument()
        else:
            assert way(client) is client
        client.chat.completions.create(**ASK)
    assert agrees(events.only(), CHAT[0])
