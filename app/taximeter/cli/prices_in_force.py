"""The prices that commands speak of: those in force now."""

from __future__ import annotations

import asyncio

from taximeter.cli.where import Where
from taximeter.price_publishing import published_books
from taximeter_processors.price_book import litellm_price_book
from taximeter_processors.pricing import PriceBook
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.errors import BrokerUnavailable

__all__ = ["prices_in_force"]


def prices_in_force(where: Where) -> PriceBook:
    """Return the prices that calls of now are charged with.

    Without a broker these are the installed list's.

    Raises:
        ConfigurationError: no price list is installed.
    """
    try:
        books = asyncio.run(published_books(where.kafka(), where.topics))
    except BrokerUnavailable:
        return litellm_price_book()
    return books.book_at(SystemClock().now())
