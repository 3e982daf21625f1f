"""What a format may ask beside its row: whose a model is, and what time it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from taximeter.imports.rows import Row
from taximeter.price_lookup import PriceList
from taximeter_processors.pricing import PriceBook
from taximeter_schemas.errors import ConfigurationError

__all__ = ["Context", "Fields", "Format", "Seller", "sellers"]

Fields = dict[str, Any]
"""The fields of a usage event, not yet looked at."""

Seller = Callable[[str], str]
"""Tells which provider a model is of, "unknown" where that is open."""

_REMEMBERED: Final = 10_000


@dataclass(frozen=True)
class Context:
    """What is known beside the rows.

    Attributes:
        seller: whose a model is, for logs that do not say it.
        now: when the import runs.
        zone: of times that do not say theirs; UTC where it is None.
    """

    seller: Seller
    now: datetime
    zone: ZoneInfo | None = None


Format = Callable[[Row, Context], Iterator[Fields]]
"""Turns a row into events; raises `LeftOut` or `Refused` where there are none."""


def sellers(book: PriceBook) -> Seller:
    """Return whose models are, as a price book knows them."""
    prices = PriceList(book)

    @lru_cache(_REMEMBERED)
    def seller(model: str) -> str:
        try:
            return prices.seller(model)
        except ConfigurationError:
            return "unknown"

    return seller
