"""Which prices are in force from when on."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, TypeAdapter

from taximeter_schemas.fields import Count, Event, Hash, Moment, Name

__all__ = [
    "PriceEvent",
    "PriceLayer",
    "PriceVersionPublished",
    "PricesDefined",
    "price_event_adapter",
]

# Short enough that a charge can name two of them.
VersionName = Annotated[str, Field(min_length=1, max_length=120)]
PriceLayer = Literal["list", "own"]


class PriceVersionPublished(Event):
    """A whole price list came into force."""

    event_type: Literal["PriceVersionPublished"] = "PriceVersionPublished"
    schema_version: Literal[1] = 1
    price_version: Name
    effective_from: Moment
    source: Name
    content_hash: Hash
    models: Count


class PricesDefined(Event):
    """Prices came into force: another price list, or prices of your own over it.

    `entries` has for each name in the list its entry as JSON text, so that no reader
    makes a float of a price; null takes an entry away. In the layer "list" they change
    the list whose version is `base`, or are the whole list where that is null. In the
    layer "own" they lie over your earlier own prices, and over whichever list is in
    force. `models` is how many entries the list then has, or how many own prices this
    event states.
    """

    event_type: Literal["PricesDefined"]
    schema_version: Literal[1] = 1
    price_version: VersionName
    effective_from: Moment
    layer: PriceLayer
    base: VersionName | None = None
    source: Name
    content_hash: Hash
    models: Count
    entries: dict[Name, str | None]


PriceEvent = PriceVersionPublished | PricesDefined

price_event_adapter: Final[TypeAdapter[PriceEvent]] = TypeAdapter(
    Annotated[PriceVersionPublished | PricesDefined, Field(union_mode="left_to_right")]
)
