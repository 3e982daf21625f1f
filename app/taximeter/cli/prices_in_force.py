"""The prices that commands speak of: those in force now."""

from __future__ import annotations

import asyncio

from taximeter.cli.where import Where
from taximeter.price_publishing import published_books
from taximeter_processors.price_book import litellm_price_file
from taximeter_processors.price_versions import Entries
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.errors import BrokerUnavailable

__all__ = ["prices_in_force"]


def prices_in_force(where: Where) -> tuple[Entries, str]:
    """Return the prices that calls of now are charged with, and their version's name.

    Without a broker these are the installed list's.

    Raises:
        ConfigurationError: no price list is installed.
    """
    try:
        books = asyncio.run(published_books(where.kafka(), where.topics))
    except BrokerUnavailable:
        file = litellm_price_file()
        return file.entries(), file.price_version
    version, entries = books.entries_at(SystemClock().now())
    return entries, version
