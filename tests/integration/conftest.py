"""Fresh topics a test, on the session's one broker."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from uuid import uuid4

import pytest

from taximeter.broker.admin import drop_topics, ensure_topics
from taximeter_schemas.topics import Topics


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
