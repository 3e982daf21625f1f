"""Topics that every worker knows whole, and goes on knowing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from taximeter_processors.kafka import LogRecord, follow

__all__ = ["Feed"]


class Feed:
    """Follows a one-partition topic from its first record on.

    Args:
        bootstrap: Kafka's address.
        topic: the topic's name.
        take: told of every record.
    """

    def __init__(
        self, bootstrap: str, topic: str, take: Callable[[LogRecord], None]
    ) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._take = take
        self._caught_up = asyncio.Event()

    async def run(self) -> None:
        """Follow the topic for as long as the worker lives."""
        async for record in follow(self._bootstrap, self._topic):
            if record is None:
                self._caught_up.set()
            else:
                self._take(record)

    @property
    def is_caught_up(self) -> bool:
        """Tell whether all that was there has been read."""
        return self._caught_up.is_set()

    async def caught_up(self) -> None:
        """Wait until all that was there has been read."""
        await self._caught_up.wait()
