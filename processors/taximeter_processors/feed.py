"""Topics that every worker knows whole, and goes on knowing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from taximeter_processors.kafka import TRANSIENT, LogRecord, follow
from taximeter_schemas.lost_connections import lost_is_an_error

__all__ = ["Feed"]

_AGAIN_SECONDS: Final = 1.0

log = logging.getLogger(__name__)


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
        self._next_offset = 0

    async def run(self) -> None:
        """Follow the topic for as long as the worker lives, whatever Kafka does."""
        while True:
            try:
                # Else this would end without a word, and no partition would ever open.
                with lost_is_an_error():
                    await self._follow()
            except TRANSIENT as error:
                log.warning("%s: going on in a moment: %r", self._topic, error)
                await asyncio.sleep(_AGAIN_SECONDS)

    async def _follow(self) -> None:
        async for record in follow(self._bootstrap, self._topic, self._next_offset):
            if record is None:
                self._caught_up.set()
            else:
                self._take(record)
                self._next_offset = record.offset + 1

    @property
    def is_caught_up(self) -> bool:
        """Tell whether all that was there has been read."""
        return self._caught_up.is_set()

    async def caught_up(self) -> None:
        """Wait until all that was there has been read."""
        await self._caught_up.wait()
