"""On what a price depends besides the model: when, where, how long, for whom, and what.

Pure. Few models have such prices; the others are never asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol

from taximeter_processors.choices import Chooser, has_choices
from taximeter_processors.off_peak import OffPeak
from taximeter_processors.price_entries import PriceEntry
from taximeter_processors.rates import Counts
from taximeter_processors.regions import varies_by_region
from taximeter_processors.scopes import Scopes
from taximeter_processors.unit_prices import CALLS, ELAPSED, unit_prices
from taximeter_schemas.usage import UNATTRIBUTED

__all__ = ["Circumstances", "Occurrence", "Varies", "counted_in", "variation"]

# Stands in for a duration that nobody stated: it has no price.
_UNTIMED: Final = "unstated_seconds"


class Circumstances(Chooser, Protocol):
    """What some prices depend on besides the model."""

    @property
    def occurred_at(self) -> datetime:
        """When the call was made."""
        ...

    @property
    def region(self) -> str | None:
        """Where it was served, as its provider calls the place."""
        ...

    @property
    def response_model(self) -> str | None:
        """The model that its provider says it was."""
        ...

    @property
    def duration_ms(self) -> int | None:
        """How long it took."""
        ...

    @property
    def project_id(self) -> str:
        """The project that it was made for."""
        ...

    @property
    def tags(self) -> Mapping[str, str]:
        """The labels that its caller gave it."""
        ...


class Occurrence(NamedTuple):
    """The circumstances of a call that is not an event."""

    occurred_at: datetime
    region: str | None = None
    duration_ms: int | None = None
    response_model: str | None = None
    image_size: str | None = None
    image_quality: str | None = None
    video_resolution: str | None = None
    search_context_size: str | None = None
    max_results: int | None = None
    project_id: str = UNATTRIBUTED
    tags: Mapping[str, str] = MappingProxyType({})


class Varies(NamedTuple):
    """On which circumstances a price depends.

    `scopes` are those in which somebody has prices of their own for the model; `own`
    says that the price for everybody is no list's price.
    """

    off_peak: OffPeak | None
    by_region: bool
    by_call: bool
    by_time: bool
    by_choice: bool = False
    scopes: Scopes = Scopes(())
    own: bool = False


def counted_in(varies: Varies, counts: Counts, call: Circumstances | None) -> Counts:
    """Return what a call used, with the call itself and its time if they are sold.

    >>> counted_in(Varies(None, False, by_call=True, by_time=False), {"pages": 1}, None)
    {'pages': 1, 'calls': 1}
    """
    if varies.by_call:
        counts = {**counts, CALLS: 1}
    if varies.by_time:
        counts = {**counts, **_elapsed(call)}
    return counts


def variation(
    entry: PriceEntry,
    off_peak: OffPeak | None,
    *,
    regional: bool,
    sized: bool,
    scopes: Scopes,
    own: bool,
) -> Varies | None:
    """Return on what the prices of an entry depend, None if on nothing.

    Args:
        entry: the model's entry.
        off_peak: its off-peak block.
        regional: whether it has entries of its own for some regions.
        sized: whether it has some for images by their size.
        scopes: those in which the model has other prices.
        own: whether these are no list's prices.
    """
    units = unit_prices(entry)
    found = Varies(
        off_peak,
        by_region=regional or varies_by_region(entry),
        by_call=CALLS in units,
        by_time=ELAPSED in units,
        by_choice=sized or has_choices(entry.fields),
        scopes=scopes,
        own=own,
    )
    return found if any(found) else None


def _elapsed(call: Circumstances | None) -> Counts:
    """What a call counts that is sold by time; unpriced if that is not known."""
    if call is None or call.duration_ms is None:
        return {_UNTIMED: 1}
    seconds: Any = Decimal(call.duration_ms) / 1000
    return {ELAPSED: seconds}
