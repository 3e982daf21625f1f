"""Which prices are in force from when on."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final, Literal

from pydantic import Field, TypeAdapter

from taximeter_schemas.fields import (
    Count,
    Event,
    Hash,
    Moment,
    Name,
    PlainDecimal,
    Tags,
)

__all__ = [
    "MarkUp",
    "PriceEvent",
    "PriceLayer",
    "PriceVersionPublished",
    "PricesDefined",
    "ScopedPrices",
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


Percent = Annotated[
    Decimal,
    Field(ge=-100, le=1_000_000, max_digits=20, allow_inf_nan=False),
    PlainDecimal,
]


class _Scope(Event):
    """Whose calls are meant: those of a project, with these tags, or of all."""

    project_id: Name | None = None
    tags: Tags = Field(default_factory=dict)


class ScopedPrices(_Scope):
    """Own prices for the calls of a scope, before those that hold for all calls."""

    entries: dict[Name, str | None]


class MarkUp(_Scope):
    """What comes on top of whatever price applies; null takes it away again.

    Without `model` it is for all models of a provider, without `provider` for all.
    """

    provider: Name | None = None
    model: Name | None = None
    percent: Percent | None


class PricesDefined(Event):
    """Prices came into force: another price list, or prices of your own over it.

    `entries` has for each name in the list its entry as JSON text, so that no reader
    makes a float of a price; null takes an entry away. In the layer "list" they change
    the list whose version is `base`, or are the whole list where that is null. In the
    layer "own" they lie over your earlier own prices, and over whichever list is in
    force. `models` is how many entries the list then has, or how many own prices this
    event states.

    Only the layer "own" has the rest: prices of a project or of tags, mark-ups, and
    aliases, which are names of your own and the "provider/model" that they mean; null
    takes one away.
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
    scoped: list[ScopedPrices] = Field(default_factory=list[ScopedPrices])
    markups: list[MarkUp] = Field(default_factory=list[MarkUp])
    aliases: dict[Name, Name | None] = Field(default_factory=dict)


PriceEvent = PriceVersionPublished | PricesDefined

price_event_adapter: Final[TypeAdapter[PriceEvent]] = TypeAdapter(
    Annotated[PriceVersionPublished | PricesDefined, Field(union_mode="left_to_right")]
)
