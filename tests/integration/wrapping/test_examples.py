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
from tests.integration.wrapping.test_other_clients import gemini, mistral
from tests.replaying import Replay, Reply

EXAMPLES = Path(__file__).parents[3] / "examples" / "integrations"

CHAT = answers.real("openai.chat_completions")[0]["body"]
EMBEDDING = {
    "object": "list",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}],
    **answers.real("openai.embeddings")[0]["body"],
}
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
    assert sorted(REPLIES) == sorted(file.name for file in EXAMPLES.glob("*.py"))


@pytest.mark.parametrize("name", sorted(REPLIES))
async def test_an_example(
    name: str, bootstrap: str, topics: Topics, provider: Replay
) -> None:
    """What a person would run makes its calls, and the meter tells of them."""
    reply: Reply = REPLIES[name]()
    answer = Reply(reply.parts, headers=reply.headers)
    another = answers.json_reply(EMBEDDING) if "instrument" in name else answer
    provider.answers(answer, another)
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
    said = "2 embedded" if "instrument" in name else "".join(answers.ANSWER)
    assert done.stdout.strip() == said
    events = await in_kafka(bootstrap, topics)
    ids = {event.event_id for event in events}
    assert len(ids) == (2 if "instrument" in name else 1), events
    for event in events:
        assert (event.user_id, event.project_id) == ("ada", "examples")
        assert (event.status, event.source) == ("ok", "examples")
        assert event.usage_source == "reported"
