"""Every example runs as it stands, and its call is in Kafka, for whom it says."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from taximeter_schemas.topics import Topics
from tests import aws_answers as aws
from tests import provider_answers as answers
from tests.integration.producers.usage_topic import in_kafka
from tests.integration.wrapping.test_batches import lines, row
from tests.integration.wrapping.test_other_clients import gemini, mistral
from tests.replaying import Replay, Reply

EXAMPLES = Path(__file__).parents[3] / "examples" / "integrations"

CHAT = answers.real("openai.chat_completions")[0]["body"]
EMBEDDING = {
    "object": "list",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}],
    **answers.real("openai.embeddings")[0]["body"],
}
RESPONSE = answers.real("openai.responses")[0]["body"]
GEMINI = answers.real("google.generate_content")[0]
COHERE = {
    "id": "c14c80c3-18eb-4519-9460-6c92edd8cfb4",
    "finish_reason": "COMPLETE",
    "message": {
        "role": "assistant",
        "content": [{"type": "text", "text": "".join(answers.ANSWER)}],
    },
    "usage": {"billed_units": {"input_tokens": 5, "output_tokens": 2}},
}


IMAGES = {"created": 1, "data": [{"url": "x"}]}
RANKED = {
    "id": "r" * 20,
    "results": [{"index": 0, "relevance_score": 0.9}],
    "meta": {"billed_units": {"search_units": 1}},
}


def operations() -> list[Reply]:
    """Return an answer to all that clients do besides chats, in the examples' order."""
    heard = {"text": "hi", "usage": {"type": "duration", "seconds": 9}, "duration": 9}
    return [
        answers.json_reply(answers.response(RESPONSE)),
        answers.json_reply(EMBEDDING),
        answers.json_reply(IMAGES),
        Reply([b"ID3"], headers={"content-type": "audio/mpeg"}),
        answers.json_reply(heard),
    ]


def a_chat() -> Reply:
    """Return a chat completion."""
    return answers.json_reply(answers.chat(CHAT))


REPLIES: dict[str, Callable[[], Reply]] = {
    "bedrock_client.py": lambda: aws.converse_stream(
        answers.real("bedrock.converse")[0]["body"]
    ),
    "cohere_client.py": lambda: answers.json_reply(COHERE),
    "google_client.py": lambda: answers.json_reply(gemini(GEMINI)),
    "langchain_callback.py": a_chat,
    "llama_index_hooks.py": a_chat,
    "mistral_client.py": lambda: answers.json_reply(answers.chat(mistral())),
    "openai_agents_run.py": lambda: answers.json_reply(
        answers.response(answers.real("openai.responses")[0]["body"])
    ),
    "pydantic_ai_agent.py": a_chat,
    "anthropic_async.py": lambda: answers.message_stream(
        answers.real("anthropic.messages")[0]["body"]
    ),
    "asgi_app.py": lambda: answers.json_reply(answers.chat(CHAT)),
    "instrument_all.py": lambda: answers.json_reply(EMBEDDING),
    "litellm_callback.py": lambda: answers.json_reply(answers.chat(CHAT)),
    "metered_function.py": lambda: answers.json_reply(answers.chat(CHAT)),
    "openai_client.py": lambda: answers.chat_stream(CHAT),
}


def test_every_example_is_run() -> None:
    """An example that no test runs would rot."""
    assert sorted(REPLIES | SEVERAL) == sorted(
        file.name for file in EXAMPLES.glob("*.py")
    )


def _client_operations() -> list[Reply]:
    response, *rest = operations()
    return [response, a_chat(), *rest, lines([row(1, answers.chat(CHAT))])]


def _router_operations() -> list[Reply]:
    failed = answers.error(500)
    return [failed, a_chat(), *operations(), answers.json_reply(RANKED)]


# What makes several calls: the answers, and what it says in the end.
SEVERAL: dict[str, Callable[[], list[Reply]]] = {
    "litellm_router.py": _router_operations,
    "openai_operations.py": _client_operations,
}


@pytest.mark.parametrize("name", sorted(REPLIES))
async def test_an_example(
    name: str, bootstrap: str, topics: Topics, provider: Replay
) -> None:
    """What a person would run makes its calls, and the meter tells of them."""
    reply: Reply = REPLIES[name]()
    answer = Reply(reply.parts, headers=reply.headers)
    another = answers.json_reply(EMBEDDING) if "instrument" in name else answer
    provider.answers(answer, another)
    said = "2 embedded" if "instrument" in name else "".join(answers.ANSWER)
    assert run(name, bootstrap, topics, provider) == said
    events = await in_kafka(bootstrap, topics)
    ids = {event.event_id for event in events}
    assert len(ids) == (2 if "instrument" in name else 1), events
    for event in events:
        assert (event.user_id, event.project_id) == ("ada", "examples")
        assert (event.status, event.source) == ("ok", "examples")
        assert event.usage_source == "reported"


@pytest.mark.parametrize("name", sorted(SEVERAL))
async def test_an_example_of_every_operation(
    name: str, bootstrap: str, topics: Topics, provider: Replay
) -> None:
    """Each operation is an event with what it is billed by; so is a failed attempt."""
    replies = SEVERAL[name]()
    provider.answers(*replies)
    assert run(name, bootstrap, topics, provider) == f"{len(replies)} calls"
    events = await in_kafka(bootstrap, topics)
    assert len({event.event_id for event in events}) == len(replies)
    assert all(event.user_id == "ada" for event in events)
    assert {event.operation for event in events} >= {
        *("chat", "responses", "embedding"),
        *("image_generation", "speech", "transcription"),
    }
    failed = [event.error_type for event in events if event.status == "error"]
    assert failed == (["InternalServerError"] if "router" in name else [])


def run(name: str, bootstrap: str, topics: Topics, provider: Replay) -> str:
    """Run an example, against the replayed provider; return what it says."""
    environment = os.environ | {
        "TAXIMETER_BOOTSTRAP": bootstrap,
        "TAXIMETER_PREFIX": topics.prefix,
        "TAXIMETER_SOURCE": "examples",
        "OPENAI_API_KEY": "sk-none",
        "OPENAI_BASE_URL": f"{provider.url}/v1",
        "ANTHROPIC_API_KEY": "sk-none",
        "OPENAI_API_BASE": f"{provider.url}/v1",
        "ANTHROPIC_BASE_URL": provider.url,
        "GOOGLE_API_KEY": "none",
        "GOOGLE_GEMINI_BASE_URL": provider.url,
        "MISTRAL_API_KEY": "none",
        "MISTRAL_URL": provider.url,
        "CO_API_KEY": "none",
        "CO_API_URL": provider.url,
        "COHERE_API_KEY": "none",
        "COHERE_API_BASE": provider.url,
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": provider.url,
    }
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
