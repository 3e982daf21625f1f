"""The same call, seen by the litellm callback and by a metered client, is one id."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any

import pytest

# Before litellm is imported: it would fetch its price map from the network.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
import openai

import taximeter
from tests import provider_answers as answers
from tests.integration.wrapping.conftest import KEY, Events
from tests.integration.wrapping.test_openai_client import CHAT
from tests.proving import proves
from tests.replaying import Replay
from tests.tracking import all_told
from tests.waiting import eventually

pytestmark = pytest.mark.filterwarnings("ignore")

completion: Any = litellm.completion
embedding: Any = litellm.embedding
image_generation: Any = litellm.image_generation


@pytest.fixture(autouse=True)
async def _both(events: Events) -> AsyncIterator[None]:
    await all_told()  # of calls of the tests before this one
    litellm.callbacks = [taximeter.LiteLLMCallback(events.meter, source="litellm")]
    taximeter.instrument()
    yield
    reset: Any = litellm.logging_callback_manager._reset_all_callbacks
    reset()


def same(events: Events) -> None:
    """Fail unless both told of one call, under one id and of one usage."""

    def both() -> set[str]:
        sources = {event.source for event in events.all()}
        assert sources == {"tests", "litellm"}, events.all()
        return sources

    eventually(both)
    found = events.all()
    assert len({event.event_id for event in found}) == 1, found
    # The callback counts images only where there are no tokens of them.
    used = {event.usage.model_dump_json(exclude={"image_count"}) for event in found}
    assert len(used) == 1, found
    assert len({(event.provider, event.status) for event in found}) == 1, found


@pytest.fixture
def to(provider: Replay) -> dict[str, Any]:
    """Give what sends litellm to the server of the test."""
    return {"api_base": f"{provider.url}/v1", "api_key": KEY, "max_retries": 0}


@proves("litellm", "once")
@pytest.mark.parametrize("stream", [False, True])
def test_a_chat(
    stream: bool, to: dict[str, Any], provider: Replay, events: Events
) -> None:
    """Whole or streamed: the provider's id of the answer names the event."""
    one = CHAT[0]["body"]
    provider.answers(
        answers.chat_stream(one) if stream else answers.json_reply(answers.chat(one))
    )
    asked = [{"role": "user", "content": "hi"}]
    for _ in completion(model="openai/gpt-4o", messages=asked, stream=stream, **to):
        pass
    same(events)


def test_an_embedding(to: dict[str, Any], provider: Replay, events: Events) -> None:
    """It has no id of its own: that of the HTTP request names the event."""
    vector = {"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}
    body = answers.real("openai.embeddings")[0]["body"]
    provider.answers(answers.json_reply({"object": "list", "data": [vector], **body}))
    embedding(model="openai/text-embedding-3-small", input=["hi"], **to)
    same(events)


def test_an_image(to: dict[str, Any], provider: Replay, events: Events) -> None:
    """Images are named by their request as well."""
    usage = {"input_tokens": 12, "output_tokens": 272, "total_tokens": 284}
    details = {"input_tokens_details": {"text_tokens": 12, "image_tokens": 0}}
    body = {"created": 1, "data": [{"b64_json": "aGk="}], "usage": usage | details}
    provider.answers(answers.json_reply(body))
    image_generation(model="openai/gpt-image-1", prompt="a taxi", **to)
    same(events)


def test_a_failed_call(to: dict[str, Any], provider: Replay, events: Events) -> None:
    """A refusal is one event too."""
    provider.answers(answers.error(429))
    with pytest.raises(openai.RateLimitError):
        completion(model="openai/gpt-4o", messages=[{"role": "user"}], **to)
    same(events)
