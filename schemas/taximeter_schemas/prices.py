"""Which prices are in force from when on."""

from __future__ import annotations

from typing import Literal

from taximeter_schemas.fields import Count, Event, Hash, Moment, Name

__all__ = ["PriceVersionPublished"]


class PriceVersionPublished(Event):
    """A whole price list came into force."""

    event_type: Literal["PriceVersionPublished"] = "PriceVersionPublished"
    schema_version: Literal[1] = 1
    price_version: Name
    effective_from: Moment
    source: Name
    content_hash: Hash
    models: Count
