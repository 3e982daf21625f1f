"""Every example runs as it stands, and its call is in Kafka, for whom it says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from taximeter_schemas.topics import Topics
from tests import provider_answers as answers
from tests.integration.producers.usage_topic import in_kafka
from tests.replaying import Replay, Reply

EXAMPLES = Path(__file__).parents[3] / "examples" / "integrations"

CHAT = answers.real("openai.chat_completions")[0]["body"]
EMBEDDING = {
    "object": "list",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}],
    **answers.real("openai.embeddings")[0]["body"],
}
REPLIES = {
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
        "ANTHROPIC_BASE_URL": provider.url,
    }
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
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
