"""The prices that were published, as every worker and the audit have to know them."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from functools import partial

from pydantic import ValidationError

from taximeter_processors.feed import Feed
from taximeter_processors.kafka import LogRecord, read_log
from taximeter_processors.price_versions import PriceBooks
from taximeter_schemas.prices import PricesDefined, price_event_adapter
from taximeter_schemas.topics import Topics

__all__ = ["learn_published", "price_feed"]

log = logging.getLogger(__name__)


def price_feed(bootstrap: str, topics: Topics, books: PriceBooks) -> Feed:
    """Return what tells the books of every version, from the first one on."""
    return Feed(bootstrap, topics.prices.name, partial(_learn, books))


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
