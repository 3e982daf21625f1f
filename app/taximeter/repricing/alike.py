"""What many calls have in common: their model, their circumstances, and their price.

Pure. There are a few hundred kinds of calls among a million, so that their price is
looked up, and what is said of them written, once for each kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from taximeter.repricing.priced_calls import PricedCall
from taximeter_processors.charging import Pricer
from taximeter_processors.circumstances import Occurrence
from taximeter_processors.priced import Priced, SteadyPrice
from taximeter_processors.pricing import PriceBook
from taximeter_schemas.usage import UsageRepriced

__all__ = ["Alike", "Kinds", "moment_of"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_REMEMBERED: Final = 20_000

# What an event means where it does not say anything.
_UNSAID: Final = {
    name: field.default for name, field in UsageRepriced.model_fields.items()
}


@dataclass(frozen=True, slots=True)
class Alike:
    """Calls of one kind.

    `steady` is their price, None if it takes more than their usage to know it; `said`
    is what events about them say alike, as JSON fields.
    """

    provider: str
    model: str
    service_tier: str
    circumstances: Occurrence
    steady: SteadyPrice | None
    said: str

    def price(self, one: PricedCall, prices: Pricer) -> Priced:
        """Return what a call of this kind costs."""
        if self.steady is not None and (priced := self.steady.of(one.used)) is not None:
            return priced
        call = self.circumstances._replace(
            occurred_at=moment_of(one.occurred_us), duration_ms=one.duration_ms
        )
        names = self.provider, self.model, self.service_tier
        return prices.price_counts(*names, one.used, call)


class Kinds:
    """All kinds of calls at one price book; without one, no kind has a steady price."""

    def __init__(self, book: PriceBook | None) -> None:
        self.book = book
        self._kinds: dict[str, Alike] = {}

    def of(self, one: PricedCall) -> Alike:
        """Return the kind of a call."""
        kind = self._kinds.get(one.alike)
        if kind is None:
            if len(self._kinds) >= _REMEMBERED:
                self._kinds.clear()
            kind = self._kinds[one.alike] = _alike(one, self.book)
        return kind


def _alike(one: PricedCall, book: PriceBook | None) -> Alike:
    facts: dict[str, Any] = msgspec.json.decode(one.alike)
    known = {name: value for name, value in facts.items() if value is not None}
    names = known["provider"], known["model"], known["service_tier"]
    where = {name: known[name] for name in Occurrence._fields if name in known}
    call = Occurrence(occurred_at=moment_of(one.occurred_us), **where)
    steady = book.steady(*names, call) if book is not None else None
    said = {name: value for name, value in known.items() if value != _UNSAID.get(name)}
    return Alike(*names, call, steady, msgspec.json.encode(said).decode()[1:-1])


def moment_of(occurred_us: int) -> datetime:
    """Return the moment so many microseconds after 1970 began."""
    return _EPOCH + timedelta(microseconds=occurred_us)
