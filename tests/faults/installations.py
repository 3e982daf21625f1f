"""Installations of their own on one broker: fresh topics, and workers on them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from taximeter.broker.admin import ensure_topics
from taximeter_schemas.topics import Topics
from tests.integration.processors.broker_side import BrokerSide
from tests.integration.processors.workers import Workers

__all__ = ["Installation", "an_installation"]


@dataclass(frozen=True)
class Installation:
    """One set of topics, seen from outside, with the workers that a test starts."""

    side: BrokerSide
    workers: Workers
    home: Path


@asynccontextmanager
async def an_installation(bootstrap: str, home: Path) -> AsyncIterator[Installation]:
    """Create fresh topics; the workers on them end with the block."""
    topics = Topics(prefix=f"fault-{uuid4().hex[:12]}.", partitions=4)
    await ensure_topics(bootstrap, topics)
    workers = Workers(bootstrap, topics, home)
    try:
        yield Installation(BrokerSide(bootstrap, topics), workers, home)
    finally:
        workers.close()
