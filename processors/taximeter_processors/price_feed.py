"""The prices that were published, as every worker and the audit have to know them."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime

from pydantic import ValidationError

from taximeter_processors.kafka import LogRecord, follow, read_log
from taximeter_processors.price_versions import PriceBooks
from taximeter_schemas.prices import PricesDefined, price_event_adapter
from taximeter_schemas.topics import Topics

__all__ = ["PriceFeed", "learn_published"]

log = logging.getLogger(__name__)


class PriceFeed:
    """Follows the `prices` topic.

    Args:
        bootstrap: Kafka's address.
        topics: the installation's topics.
        books: told of every version, from the first one on.
    """

    def __init__(self, bootstrap: str, topics: Topics, books: PriceBooks) -> None:
        self._bootstrap = bootstrap
        self._topic = topics.prices.name
        self._books = books
        self._caught_up = asyncio.Event()

    async def run(self) -> None:
        """Follow the topic for as long as the worker lives."""
        async for record in follow(self._bootstrap, self._topic):
            if record is None:
                self._caught_up.set()
            else:
                _learn(self._books, record)

    async def caught_up(self) -> None:
        """Wait until all versions that were there have been read."""
        await self._caught_up.wait()


async def learn_published(bootstrap: str, topics: Topics, books: PriceBooks) -> None:
    """Tell the books of every version that is published now.

    Raises:
        KafkaError: the topic cannot be read.
        TimeoutError: nothing more came for half a minute.
    """
    async for records in read_log(bootstrap, topics.prices.name, 0):
        for record in records:
            _learn(books, record)


def _learn(books: PriceBooks, record: LogRecord) -> None:
    try:
        event = price_event_adapter.validate_json(record.value or b"")
    except ValidationError as error:
        log.error("prices@%d is no price version: %s", record.offset, error)
        return
    if isinstance(event, PricesDefined):
        published_at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
        books.learn(event, published_at)
