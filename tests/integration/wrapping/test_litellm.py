"""Calls through litellm, its callback listening: one event for each billed attempt."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any

import pytest

# Before litellm is imported: it would fetch its price map from the network.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm

import taximeter
from tests import provider_answers as answers
from tests.integration.wrapping.conftest import KEY, Events
from tests.integration.wrapping.test_batches import lines, row
from tests.integration.wrapping.test_openai_client import CHAT, RESPONSES, agrees
from tests.proving import proves
from tests.replaying import Replay, Reply
from tests.tracking import all_told
from tests.waiting import eventually, eventually_async

PROMPT = "planted-prompt-7f3a"
ASKED = [{"role": "user", "content": PROMPT}]
llm: Any = litellm

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
async def _callback(events: Events) -> AsyncIterator[None]:
    await all_told()  # of calls of the tests before this one
    litellm.callbacks = [taximeter.LiteLLMCallback(events.meter, source="litellm")]
    yield
    reset: Any = litellm.logging_callback_manager._reset_all_callbacks
    reset()


@pytest.fixture
def to(provider: Replay) -> dict[str, Any]:
    """Give what sends litellm to the server of the test."""
    return {"api_base": f"{provider.url}/v1", "api_key": KEY, "max_retries": 0}


def told(events: Events, count: int) -> list[taximeter.UsageRecorded]:
    """Return the events once there are so many; litellm tells of some later."""
    eventually(lambda: len(events.all()) >= count)
    found = events.all()
    events.emitter.sent.clear()
    assert len({one.event_id for one in found}) == len(found) == count, found
    return found


@proves("litellm", "tokens", "streaming", "media", "secrets")
def test_every_kind_of_call(
    to: dict[str, Any], provider: Replay, events: Events
) -> None:
    """Chats, streams, responses, embeddings, images, speech, transcriptions, ranks."""

    def only() -> taximeter.UsageRecorded:
        (event,) = told(events, 1)
        return event

    provider.answers(answers.json_reply(answers.chat(CHAT[0]["body"])))
    llm.completion(model="openai/gpt-4o", messages=ASKED, **to)
    assert agrees(only(), CHAT[0])
    provider.answers(answers.chat_stream(CHAT[0]["body"]))
    for _ in llm.completion(model="openai/gpt-4o", messages=ASKED, stream=True, **to):
        pass
    assert agrees(only(), CHAT[0])
    provider.answers(answers.json_reply(answers.response(RESPONSES[0]["body"])))
    llm.responses(model="openai/gpt-5", input=PROMPT, **to)
    assert only().operation == "responses"
    vector = {"object": "embedding", "index": 0, "embedding": [0.5]}
    body = {"object": "list", "data": [vector], "model": "x"}
    body |= answers.real("openai.embeddings")[0]["body"]
    provider.answers(answers.json_reply(body))
    llm.embedding(model="openai/text-embedding-3-small", input=[PROMPT], **to)
    assert only().operation == "embedding"
    provider.answers(answers.json_reply({"created": 1, "data": [{"url": "x"}] * 2}))
    llm.image_generation(model="openai/dall-e-2", prompt=PROMPT, n=2, **to)
    assert only().usage.image_count == 2
    provider.answers(Reply([b"ID3"], headers={"content-type": "audio/mpeg"}))
    llm.speech(model="openai/tts-1", voice="alloy", input="Hello!", **to)
    assert only().usage.characters == 6
    usage = {"type": "duration", "seconds": 9}
    provider.answers(answers.json_reply({"text": "hi", "usage": usage, "duration": 9}))
    heard = ("a.wav", b"RIFF")
    llm.transcription(model="openai/whisper-1", file=heard, **to)
    assert only().usage.audio_seconds == 9
    ranked = {"results": [{"index": 0, "relevance_score": 0.9}], "id": "r" * 20}
    units = {"meta": {"billed_units": {"search_units": 1}}}
    provider.answers(answers.json_reply(ranked | units))
    llm.rerank(
        model="cohere/rerank-v3.5",
        query=PROMPT,
        documents=["a"],
        api_base=provider.url,
        api_key=KEY,
    )
    assert only().usage.queries == 1


@proves("litellm", "async", "errors", "retries")
async def test_the_router(to: dict[str, Any], provider: Replay, events: Events) -> None:
    """A retry and a fallback are events of their own, with one trace."""
    models = [
        {"model_name": name, "litellm_params": {"model": f"openai/{name}", **to}}
        for name in ("gpt-4o", "gpt-4.1")
    ]
    router = llm.Router(
        model_list=models,
        num_retries=1,
        retry_after=0,
        fallbacks=[{"gpt-4o": ["gpt-4.1"]}],
    )
    done = answers.json_reply(answers.chat(CHAT[0]["body"]))
    provider.answers(answers.error(500), answers.error(500), done)
    await router.acompletion(model="gpt-4o", messages=ASKED)

    async def there() -> bool:
        return len(events.all()) == 3

    await eventually_async(there)  # some of it in tasks of this loop
    first, second, last = sorted(told(events, 3), key=lambda one: one.occurred_at)
    assert [first.model, second.model, last.model] == ["gpt-4o", "gpt-4o", "gpt-4.1"]
    assert [one.status for one in (first, second, last)] == ["error", "error", "ok"]
    assert first.error_type == "InternalServerError"
    assert len({one.trace_id for one in (first, second, last)}) == 1
    assert first.trace_id


@proves("litellm", "cut")
async def test_an_async_stream_that_is_broken_off(
    to: dict[str, Any], provider: Replay, events: Events
) -> None:
    """Litellm tells nobody of it; an instrumented client does, once."""
    taximeter.instrument()
    provider.answers(answers.chat_stream(CHAT[0]["body"], include_usage=False))
    stream = await llm.acompletion(
        model="openai/gpt-4o", messages=ASKED, stream=True, **to
    )
    async for _ in stream:
        break
    await stream.aclose()
    del stream
    eventually(lambda: _collected() and len(events.all()) == 1)
    assert events.only().usage_source == "estimated"


def _collected() -> bool:
    import gc

    return gc.collect() >= 0


@proves("litellm", "batches")
def test_results_of_a_batch(
    to: dict[str, Any], provider: Replay, events: Events
) -> None:
    """Their lines are events when litellm fetches the file, and so once."""
    provider.answers(lines([row(1, answers.chat(CHAT[0]["body"]))]))
    for _ in range(2):
        llm.file_content(file_id="file-1", custom_llm_provider="openai", **to)
    eventually(lambda: len(events.all()) == 2)
    first, second = events.all()
    assert first.event_id == second.event_id
    assert (first.service_tier, first.provider) == ("batch", "openai")
    assert agrees(first, CHAT[0])
