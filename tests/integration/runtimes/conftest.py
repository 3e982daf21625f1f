"""A provider on this machine, and what programs of every runtime sent to Kafka."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from taximeter.broker.admin import drop_topics, ensure_topics
from taximeter_schemas.topics import Topics
from taximeter_schemas.usage import UsageRecorded
from tests import provider_answers as answers
from tests.integration.producers.usage_topic import in_kafka
from tests.replaying import Replay, replaying
from tests.running_system import environment

EXAMPLES = Path(__file__).parents[3] / "examples" / "runtimes"
CHAT = answers.real("openai.chat_completions")[0]["body"]


class Stage:
    """Where examples run: a provider, a topic, and the environment that names both."""

    def __init__(self, bootstrap: str, topics: Topics, provider: Replay) -> None:
        self.bootstrap = bootstrap
        self.topics = topics
        self.provider = provider

    def settings(self, source: str) -> dict[str, str]:
        """Return the environment of a program that is called so."""
        return environment() | {
            "TAXIMETER_BOOTSTRAP": self.bootstrap,
            "TAXIMETER_PREFIX": self.topics.prefix,
            "TAXIMETER_SOURCE": source,
            "OPENAI_API_KEY": "sk-none",
            "OPENAI_BASE_URL": f"{self.provider.url}/v1",
            "PYTHONPATH": os.pathsep.join(sys.path),
        }

    def answers(self, calls: int, *, together: int = 0) -> None:
        """Answer so many calls, each with an id of its own.

        The first `together` of them are answered when all of those were asked, so that
        no process can have made two of them.
        """
        asked = threading.Barrier(together) if together else None
        replies = [answers.json_reply(answers.chat(CHAT)) for _ in range(calls)]
        for reply in replies[:together]:
            reply.hold = _Together(asked)
        self.provider.answers(*replies)

    async def events(self, source: str) -> list[UsageRecorded]:
        """Return what the program that is called so sent."""
        found = await in_kafka(self.bootstrap, self.topics)
        return [event for event in found if event.source == source]

    @contextmanager
    def running(
        self, source: str, *command: str, **settings: str
    ) -> Iterator[subprocess.Popen[str]]:
        """Run Python in the folder of the examples; it is killed at the end."""
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=EXAMPLES,
            env=self.settings(source) | settings,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            try:
                yield process
            finally:
                process.kill()


class _Together(threading.Event):
    """Is over when as many wait for it as have to come."""

    def __init__(self, barrier: threading.Barrier | None) -> None:
        super().__init__()
        self._barrier = barrier

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the others."""
        if self._barrier is not None:
            self._barrier.wait(timeout)
        return True


@pytest.fixture(scope="module")
def stage(bootstrap: str) -> Iterator[Stage]:
    """Give one set of topics to all examples: each has a source of its own."""
    topics = Topics(prefix=f"test-{uuid4().hex[:12]}.", partitions=4)
    asyncio.run(ensure_topics(bootstrap, topics))
    with replaying() as provider:
        yield Stage(bootstrap, topics, provider)
    asyncio.run(drop_topics(bootstrap, topics.prefix))
