"""The prices of one person: the installed list, and what was put in force since."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Final

from taximeter.llm_costs.home import Home
from taximeter_processors.price_book import litellm_price_books
from taximeter_processors.price_versions import PriceBooks
from taximeter_schemas.prices import PricesDefined

__all__ = ["keep_prices", "price_books", "price_lines"]

# It counts for all calls from when it is in force, whenever they are read.
_ALWAYS: Final = datetime(2000, 1, 1, tzinfo=UTC)


def price_lines(home: Home) -> list[bytes]:
    """Return each version that was put in force, as its event's JSON."""
    if not home.prices.exists():
        return []
    return [line for line in home.prices.read_bytes().splitlines() if line]


def price_books(home: Home) -> PriceBooks:
    """Return the prices of all times.

    Raises:
        ConfigurationError: no price list is installed.
    """
    lines = price_lines(home)
    if not lines:
        return _installed()
    books = litellm_price_books()
    for line in lines:
        books.learn(PricesDefined.model_validate_json(line), _ALWAYS)
    return books


@cache
def _installed() -> PriceBooks:
    return litellm_price_books()


def keep_prices(home: Home, versions: Sequence[PricesDefined]) -> None:
    """Put versions in force."""
    with home.made().prices.open("ab") as file:
        for version in versions:
            file.write(version.model_dump_json().encode() + b"\n")
