"""The types that the events' fields share, with their bounds.

The bounds keep one event far below Kafka's default record size and one token count
far below what exact arithmetic could ever mistake.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
)

__all__ = [
    "EARLIEST",
    "MAX_COUNT",
    "MAX_TAGS",
    "Count",
    "Event",
    "Hash",
    "Moment",
    "Name",
    "PlainDecimal",
    "Seconds",
    "Tags",
    "Usd",
]

MAX_COUNT = 10**12
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)

Count = Annotated[int, Field(strict=True, ge=0, le=MAX_COUNT)]
"""How many of something: whole, never negative, never a string."""


def _plain(amount: Decimal) -> str:
    return f"{amount:f}"


PlainDecimal = PlainSerializer(_plain, return_type=str, when_used="json-unless-none")
# Without it 0.00000015 would be written as 1.5E-7, which not every reader takes.

Seconds = Annotated[Decimal, Field(ge=0, le=MAX_COUNT, decimal_places=6), PlainDecimal]
"""A length in seconds, to the microsecond."""

Usd = Annotated[
    Decimal,
    Field(max_digits=38, decimal_places=12, allow_inf_nan=False),
    PlainDecimal,
]
"""An amount in US dollars with at most 12 decimal places."""

Moment = Annotated[AwareDatetime, Field(ge=EARLIEST, lt=LATEST)]
"""A moment with its time zone; one without is refused, as is one before 2000."""

Name = Annotated[str, Field(min_length=1, max_length=256)]
"""An identifier or label of 1 to 256 characters."""

Hash = Annotated[str, Field(min_length=1, max_length=128)]
"""A hash in the caller's own notation. Never the thing that was hashed."""

MAX_TAGS = 32


def _bounded(tags: dict[str, str]) -> dict[str, str]:
    if len(tags) > MAX_TAGS:
        raise ValueError(f"an event has at most {MAX_TAGS} tags, this has {len(tags)}")
    return tags


Tags = Annotated[dict[Name, Name], AfterValidator(_bounded)]
"""Up to 32 labels of the caller's own."""


class Event(BaseModel):
    """An immutable fact in the past tense; a field that it does not know is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")
