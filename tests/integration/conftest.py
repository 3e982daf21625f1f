"""A real Kafka for every test here: one broker a session, fresh topics a test."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from uuid import uuid4

import pytest

from taximeter.broker.admin import drop_topics, ensure_topics
from taximeter.broker.ladder import broker
from taximeter_schemas.topics import Topics


def _note(words: str) -> None:
    print(words, file=sys.stderr)


@pytest.fixture(scope="session")
def bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of a real broker; without one the tests fail, never skip."""
    with broker(tmp_path_factory.mktemp("kafka"), _note) as address:
        yield address


@pytest.fixture
def topics(bootstrap: str) -> Iterator[Topics]:
    """Create a fresh set of topics that no other test knows, and drop it again.

    A hundred sets, and the broker's 256 MiB are full: it answers nobody any more.
    """
    fresh = Topics(prefix=f"test-{uuid4().hex[:12]}.", partitions=4)
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(ensure_topics(bootstrap, fresh))
        yield fresh
        loop.run_until_complete(drop_topics(bootstrap, fresh.prefix))
    finally:
        loop.close()
