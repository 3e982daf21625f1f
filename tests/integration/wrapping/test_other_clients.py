"""The own clients of Google, Mistral and Cohere, wrapped or instrumented."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cohere
import httpx
import httpx2
import pytest
from google import genai
from google.genai.errors import APIError
from mistralai.client import Mistral

import taximeter
from tests import provider_answers as answers
from tests.integration.wrapping.conftest import Events
from tests.integration.wrapping.test_openai_client import agrees
from tests.proving import proves
from tests.replaying import Replay

GEMINI = answers.kinds("google.generate_content")
ASKED: Any = [{"role": "user", "content": "What is the capital of France?"}]

# What the libraries themselves warn of, while they are imported and used.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(params=["wrap", "instrument"])
def metered(request: pytest.FixtureRequest, events: Events) -> Iterator[Any]:
    """Give what meters a client: by itself, or with all others."""
    if request.param == "instrument":
        taximeter.instrument()
    yield taximeter.wrap if request.param == "wrap" else lambda client: client
    taximeter.uninstrument()


def gemini(one: dict[str, Any]) -> dict[str, Any]:
    """Return an answer of Gemini."""
    said = {"role": "model", "parts": [{"text": "".join(answers.ANSWER)}]}
    candidate = {"content": said, "finishReason": "STOP", "index": 0}
    around = {"candidates": [candidate], "responseId": "aBcDeFgHiJkLmNoPqRsT"}
    return {**around, **one["body"]}


@proves("google", "tokens")
def test_every_kind_of_geminis_answers(
    metered: Any,
    provider: Replay,
    events: Events,
) -> None:
    """Whole and streamed, each is one event with its usage."""
    client = metered(
        genai.Client(api_key="key", http_options={"base_url": provider.url})
    )
    for one in GEMINI:
        provider.answers(answers.json_reply(gemini(one)))
        client.models.generate_content(model="gemini-2.5-pro", contents="hi")
        event = events.only()
        assert agrees(event, one), one
        assert (event.provider, event.model) == ("gemini", "gemini-2.5-pro")

        provider.answers(answers.sse([(None, gemini(one))]))
        for _ in client.models.generate_content_stream(
            model="gemini-2.5-pro", contents="hi"
        ):
            pass
        assert agrees(events.only(), one), one
    provider.answers(answers.json_reply({"error": {"code": 400}}, 400))
    with pytest.raises(APIError):
        client.models.generate_content(model="gemini-2.5-pro", contents="hi")
    assert events.only().error_type == "BadRequestError"


@proves("google", "async")
async def test_gemini_asynchronously(
    metered: Any,
    provider: Replay,
    events: Events,
) -> None:
    """Over httpx it is metered; the library prefers aiohttp where that is there."""
    async with httpx2.AsyncClient() as http:
        options: Any = {"base_url": provider.url, "httpx_async_client": http}
        client = metered(genai.Client(api_key="key", http_options=options))
        provider.answers(answers.json_reply(gemini(GEMINI[0])))
        await client.aio.models.generate_content(model="gemini-x", contents="hi")
        assert agrees(events.only(), GEMINI[0])


def mistral(**changes: object) -> dict[str, Any]:
    """Return what Mistral's documentation has as an answer's usage."""
    usage = {"prompt_tokens": 14, "completion_tokens": 7, "total_tokens": 21}
    return {"model": "mistral-large-latest", "usage": usage, **changes}


@proves("mistral", "tokens")
async def test_mistral(
    metered: Any,
    provider: Replay,
    events: Events,
) -> None:
    """Chats, streams and embeddings, sync and async, are Mistral's."""
    with metered(Mistral(api_key="key", server_url=provider.url)) as client:
        chat: Any = {"model": "mistral-large-latest", "messages": ASKED}
        provider.answers(answers.json_reply(answers.chat(mistral())))
        client.chat.complete(**chat)
        event = events.only()
        assert (event.provider, event.usage.text_output_tokens) == ("mistral", 7)
        provider.answers(answers.chat_stream(mistral()))
        with client.chat.stream(**chat) as stream:
            for _ in stream:
                pass
        assert events.only().usage == event.usage
        vector = {"object": "embedding", "index": 0, "embedding": [0.5]}
        body = {"id": "1", "object": "list", "data": [vector], **mistral()}
        body["usage"] = {"prompt_tokens": 3, "completion_tokens": 0, "total_tokens": 3}
        provider.answers(answers.json_reply(body))
        client.embeddings.create(model="mistral-embed", inputs=["hi"])
        event = events.only()
        assert (event.operation, event.usage.text_input_tokens) == ("embedding", 3)


@proves("mistral", "async")
async def test_mistral_asynchronously(
    metered: Any,
    provider: Replay,
    events: Events,
) -> None:
    """So are those of its asynchronous methods."""
    async with httpx2.AsyncClient() as http:
        made = Mistral(api_key="key", server_url=provider.url, async_client=http)
        client = metered(made)
        provider.answers(answers.json_reply(answers.chat(mistral())))
        await client.chat.complete_async(model="mistral-x", messages=ASKED)
        event = events.only()
        assert (event.provider, event.usage.text_output_tokens) == ("mistral", 7)


@pytest.fixture
def plain_http() -> Iterator[httpx.Client]:
    """Give an HTTP client that is closed, for a library that closes none."""
    with httpx.Client() as http:
        yield http


def cohere_said(billed: dict[str, int], **more: object) -> dict[str, Any]:
    """Return what Cohere's documentation has around an answer's units."""
    around = {"id": "c14c80c3-18eb-4519-9460-6c92edd8cfb4"}
    return around | {"meta": {"billed_units": billed}} | more


@proves("cohere", "tokens", "async")
async def test_cohere(
    metered: Any,
    provider: Replay,
    events: Events,
    plain_http: httpx.Client,
) -> None:
    """Chats, streams, embeddings and rerankings are Cohere's, sync and async."""
    client = metered(
        cohere.ClientV2(api_key="key", base_url=provider.url, httpx_client=plain_http)
    )
    said = {"role": "assistant", "content": [{"type": "text", "text": "Paris"}]}
    usage = {"billed_units": {"input_tokens": 5, "output_tokens": 2}}
    whole = cohere_said({}, finish_reason="COMPLETE", message=said, usage=usage)
    del whole["meta"]
    provider.answers(answers.json_reply(whole))
    client.chat(model="command-a-03-2025", messages=ASKED)
    event = events.only()
    assert (event.provider, event.usage.text_input_tokens) == ("cohere", 5)
    assert event.usage.text_output_tokens == 2
    async with httpx.AsyncClient() as http:
        asynchronous = metered(
            cohere.AsyncClientV2(
                api_key="key", base_url=provider.url, httpx_client=http
            )
        )
        await asynchronous.chat(model="command-a-03-2025", messages=ASKED)
    assert events.only().usage == event.usage

    end = {"finish_reason": "COMPLETE", "usage": usage}
    provider.answers(
        answers.sse(
            [
                ("message-start", {"type": "message-start", "id": whole["id"]}),
                ("message-end", {"type": "message-end", "delta": end}),
            ]
        )
    )
    for _ in client.chat_stream(model="command-a-03-2025", messages=ASKED):
        pass
    streamed = events.only()
    assert (streamed.usage, streamed.event_id) == (event.usage, event.event_id)

    ranked = {"results": [{"index": 0, "relevance_score": 0.9}]}
    provider.answers(answers.json_reply(cohere_said({"search_units": 1}, **ranked)))
    client.rerank(model="rerank-v3.5", query="q", documents=["a"])
    event = events.only()
    assert (event.operation, event.usage.queries) == ("rerank", 1)

    vectors = {"embeddings": {"float": [[0.5]]}, "texts": ["hi"]}
    provider.answers(answers.json_reply(cohere_said({"input_tokens": 2}, **vectors)))
    client.embed(
        model="embed-v4.0",
        input_type="search_query",
        texts=["hi"],
        embedding_types=["float"],
    )
    event = events.only()
    assert (event.operation, event.usage.text_input_tokens) == ("embedding", 2)
