"""What a call costs, and what calls cost that differ in nothing but how much they used.

Pure. Whoever prices a million calls of some hundred kinds looks up each kind once.
"""

from __future__ import annotations

from typing import NamedTuple

from taximeter_processors.rates import Counts
from taximeter_schemas.charges import UnpricedReason

__all__ = ["Listed", "Priced", "Rate", "SteadyPrice"]


class Listed(NamedTuple):
    """What the published list says of a call; None if it has no price for it."""

    pico: int | None


class Priced(NamedTuple):
    """What a call costs; both amounts are None, never 0, if that is not known.

    `listed` is there where the price is one's own or is marked up; else the price is
    the list's.
    """

    input_pico: int | None
    output_pico: int | None
    unpriced_reason: UnpricedReason | None
    price_version: str
    price_match: str | None
    listed: Listed | None = None


class Rate(NamedTuple):
    """What one unit of something costs in whole pico-dollars, on one of both sides.

    `listed_pico` is what the list says of it, `input_tokens` 1 if it is such a one.
    """

    input_pico: int
    output_pico: int
    listed_pico: int
    input_tokens: int


class SteadyPrice(NamedTuple):
    """One price for all calls of one provider, model and tier in like circumstances.

    It holds for up to and with `up_to` input tokens. `nothing` is the answer where
    there is no price. `own` says that this is no list's price, and `unlisted` that the
    list has none.
    """

    version: str
    match: str | None
    rates: dict[str, Rate]
    up_to: int
    nothing: Priced | None = None
    own: bool = False
    unlisted: bool = False

    def of(self, counts: Counts) -> Priced | None:
        """Return what so much of everything costs, as `PriceBook.price_counts` does.

        None if that takes a rule: a long request, or a unit that is no whole
        pico-dollars.

        >>> flat = SteadyPrice("v", "m", {"text_input_tokens": Rate(2, 0, 2, 1)}, 9)
        >>> flat.of({"text_input_tokens": 3})  # doctest: +NORMALIZE_WHITESPACE
        Priced(input_pico=6, output_pico=0, unpriced_reason=None, price_version='v',
               price_match='m', listed=None)
        >>> flat.of({"text_input_tokens": 10}) is flat.of({"pages": 1}) is None
        True
        """
        version, match, rates, up_to, nothing, own, unlisted = self
        if nothing is not None:
            return nothing
        input_pico = output_pico = listed_pico = input_tokens = 0
        for name, count in counts.items():
            if name not in rates:
                return None
            to_input, to_output, to_listed, token = rates[name]
            input_pico += count * to_input
            output_pico += count * to_output
            listed_pico += count * to_listed
            input_tokens += count * token
        if input_tokens > up_to:
            return None
        listed = Listed(None if unlisted else listed_pico) if own else None
        return Priced(input_pico, output_pico, None, version, match, listed)

    def over(self, listed: SteadyPrice) -> SteadyPrice:
        """Return this price as one's own, over that of the list."""
        if self.nothing is not None:
            return self
        if listed.nothing is not None:
            return self._replace(own=True, unlisted=True)
        rates = {
            name: rate._replace(listed_pico=listed.rates[name].listed_pico)
            for name, rate in self.rates.items()
            if name in listed.rates
        }
        up_to = min(self.up_to, listed.up_to)
        return self._replace(rates=rates, up_to=up_to, own=True)
