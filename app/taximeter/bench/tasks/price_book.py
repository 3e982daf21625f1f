"""Chat usages through our price book, and nothing else, on one core."""

from __future__ import annotations

from datetime import UTC, datetime
from time import process_time
from typing import Any, Final

from taximeter.bench.chats import chats
from taximeter_processors.circumstances import Occurrence
from taximeter_processors.price_book import litellm_price_book
from taximeter_processors.pricing import PriceBook

__all__ = ["run"]

_CALL: Final = Occurrence(datetime(2026, 11, 22, 12, tzinfo=UTC), None, 850)


def run(facts: dict[str, Any]) -> dict[str, Any]:
    """Price `usages` usages, after each model has been seen once."""
    book, usages = litellm_price_book(), chats(facts["usages"])
    _price(book, usages[:100])
    started = process_time()
    _price(book, usages)
    return {"usages_per_second": len(usages) / (process_time() - started)}


def _price(book: PriceBook, usages: list[tuple[str, str, dict[str, int]]]) -> None:
    for provider, model, counts in usages:
        book.price_counts(provider, model, "standard", counts, _CALL)
