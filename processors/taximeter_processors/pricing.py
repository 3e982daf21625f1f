"""Usage times price, exactly: whole pico-dollars from the tokens of one call.

Pure: it knows no broker, no clock and no litellm, only entries in the vocabulary of
litellm's price list. The same call priced by the same book is the same charge, on
every machine and for ever. docs/pricing.md has the rules and their sources.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from taximeter_processors.choices import NOTHING, Choices, by_choices, choices_of
from taximeter_processors.circumstances import (
    Circumstances,
    Occurrence,
    Varies,
    counted_in,
    variation,
)
from taximeter_processors.ladders import Ladder, price_ladder
from taximeter_processors.model_names import ModelIndex
from taximeter_processors.off_peak import off_peak_of
from taximeter_processors.price_entries import PriceEntry, priced_by, refuse_floats
from taximeter_processors.rates import Counts, RateCard, counts_of
from taximeter_processors.sized_entries import SizedEntries
from taximeter_schemas.charges import UnpricedReason
from taximeter_schemas.fields import MAX_COUNT
from taximeter_schemas.usage import INPUT_TOKENS, Usage, UsageRecorded

__all__ = ["PriceBook", "Priced"]

# More input tokens than any usage can hold.
_NO_LIMIT: Final = MAX_COUNT * (len(INPUT_TOKENS) + 1)

# Names come from outside; forgetting them all is cheap and bounds the memory.
_REMEMBERED: Final = 20_000


class Priced(NamedTuple):
    """What a call costs; both amounts are None, never 0, if that is not known."""

    input_pico: int | None
    output_pico: int | None
    unpriced_reason: UnpricedReason | None
    price_version: str
    price_match: str | None


class _Price(NamedTuple):
    """The prices of one (provider, model, service tier), laid out for the quick way.

    `inputs` and `outputs` are the whole pico-dollars of the ladder's lowest step, which
    holds up to and with `up_to` input tokens. `varies` is None for nearly all models;
    the others are looked up once more, in their circumstances.
    """

    match: str | None
    inputs: dict[str, int]
    outputs: dict[str, int]
    up_to: int
    ladder: Ladder
    unpriced: Priced
    varies: Varies | None


class PriceBook:
    """One version of all prices.

    Args:
        entries: litellm's vocabulary, numbers as int, Decimal or text.
        version: names these prices in every charge that they make.
        aliases: names of one's own, as "provider/model", and the entries they mean.

    Raises:
        ConfigurationError: if a binary float stands among the prices, or an alias
            means no entry.

    >>> book = PriceBook({"gpt-4o": {
    ...     "litellm_provider": "openai",
    ...     "input_cost_per_token": "0.0000025", "output_cost_per_token": "0.00001",
    ... }}, "example-1")
    >>> book.price_usage("openai", "gpt-4o", "standard", Usage(text_input_tokens=1000))
    ... # doctest: +NORMALIZE_WHITESPACE
    Priced(input_pico=2500000000, output_pico=0, unpriced_reason=None,
           price_version='example-1', price_match='gpt-4o')
    >>> book.price_usage("acme", "gpt-4o", "standard", Usage()).unpriced_reason
    'unknown_model'
    >>> book.price_usage("openai", "gpt-4o", "standard", Usage(pages=1)).unpriced_reason
    'unpriced_unit'
    """

    def __init__(
        self,
        entries: Mapping[str, Mapping[str, object]],
        version: str,
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        refuse_floats(entries)
        self.version = version
        self._entries = entries
        self._index = ModelIndex(entries, aliases)
        self._sized = SizedEntries(entries)
        self._prices: dict[tuple[str, str, str], _Price] = {}
        self._variants: dict[
            tuple[str, str, str, str | None, bool, Choices], _Price
        ] = {}

    def price(self, call: UsageRecorded) -> Priced:
        """Return what a recorded call costs."""
        names = (call.provider, call.model, call.service_tier)
        return self.price_counts(*names, counts_of(call.usage), call)

    def price_usage(
        self, provider: str, model: str, service_tier: str, usage: Usage
    ) -> Priced:
        """Return what a usage costs at a model's prices for a service tier."""
        return self.price_counts(provider, model, service_tier, counts_of(usage))

    def price_counts(
        self,
        provider: str,
        model: str,
        service_tier: str,
        counts: Counts,
        call: Circumstances | None = None,
    ) -> Priced:
        """Return what so much of everything costs, see `price_usage`.

        Every class of tokens whose price is whole pico-dollars is multiplied right
        here; whatever needs a rule more, like a long request or another unit, goes
        through `RateCard.charge`, with the same result.

        Args:
            provider: as the event names it.
            model: as the event names it.
            service_tier: as the event names it.
            counts: what was used.
            call: when, where and how long, for the few prices that depend on it;
                without it they are those of the peak, everywhere, and what is sold
                by time is unpriced.
        """
        names = (provider, model, service_tier)
        price = self._prices.get(names) or self._look_up(names)
        match, inputs, outputs, up_to, _, unpriced, varies = price
        if varies is not None:
            price, counts = self._in_circumstances(varies, names, counts, call)
            match, inputs, outputs, up_to, _, unpriced, _ = price
        input_tokens = input_pico = output_pico = 0
        for name, count in counts.items():
            if name in inputs:
                input_tokens += count
                input_pico += count * inputs[name]
            elif name in outputs:
                output_pico += count * outputs[name]
            elif count:
                return self._priced_by_rule(price, counts)
        if input_tokens > up_to:
            return self._priced_by_rule(price, counts)
        if match is None:
            return unpriced
        return Priced(input_pico, output_pico, None, self.version, match)

    def _as_served(
        self, names: tuple[str, str, str], counts: Counts, call: Circumstances
    ) -> tuple[_Price, Counts]:
        """Price a name that nobody lists by the model that the provider says it was.

        So an Azure deployment is priced, or an alias of one's own: not by what its
        name looks like, but by what answered.
        """
        provider, _, tier = names
        served = (provider, call.response_model or "", tier)
        price = self._prices.get(served) or self._look_up(served)
        if price.varies is not None:
            plain = Occurrence(
                call.occurred_at,
                call.region,
                call.duration_ms,
                None,
                *choices_of(call),
            )
            found = self._in_circumstances(price.varies, served, counts, plain)
            price, counts = found
        if price.match is None:
            return price, counts
        return price._replace(match=f"{price.match} (response model)"), counts

    def _in_circumstances(
        self,
        varies: Varies,
        names: tuple[str, str, str],
        counts: Counts,
        call: Circumstances | None,
    ) -> tuple[_Price, Counts]:
        """Return the price that holds for a call, and what counts in it besides."""
        region = call.region if call and varies.by_region else None
        off_peak = varies.off_peak
        cheap = bool(off_peak and call and off_peak.covers(call.occurred_at))
        choices = choices_of(call) if call and varies.by_choice else NOTHING
        price = self._variant(names, region, cheap, choices)
        if price.match is None and call is not None and call.response_model:
            return self._as_served(names, counts, call)
        return price, counted_in(varies, counts, call)

    def _priced_by_rule(self, price: _Price, counts: Counts) -> Priced:
        if price.match is None:
            return price.unpriced
        charged = _step(price.ladder, counts).charge(counts)
        if charged is None:
            return price.unpriced
        return Priced(*charged, None, self.version, price.match)

    def _look_up(self, names: tuple[str, str, str]) -> _Price:
        if len(self._prices) >= _REMEMBERED:
            self._prices.clear()
        price = self._prices[names] = self._compiled(*names)
        return price

    def _variant(
        self,
        names: tuple[str, str, str],
        region: str | None,
        off_peak: bool,
        choices: Choices,
    ) -> _Price:
        key = (*names, region, off_peak, choices)
        price = self._variants.get(key)
        if price is None:
            if len(self._variants) >= _REMEMBERED:
                self._variants.clear()
            price = self._variants[key] = self._compiled(*key)
        return price

    def _compiled(
        self,
        provider: str,
        model: str,
        service_tier: str,
        region: str | None = None,
        off_peak: bool = False,
        choices: Choices = NOTHING,
    ) -> _Price:
        found = self._index.match(provider, model, region)
        fields: Mapping[str, object] = {}
        if found is not None:
            fields = priced_by(self._entries[found.key], found.rule)
        found, fields = self._sized.drawn(provider, model, choices, found, fields)
        regional = self._index.has_regions(provider, model)
        if found is None:
            nothing = Priced(None, None, "unknown_model", self.version, None)
            varies = Varies(
                None, regional, by_call=False, by_time=False, by_choice=True
            )
            return _Price(None, {}, {}, _NO_LIMIT, (), nothing, varies)
        match = str(found)
        entry = PriceEntry(found.key, fields, service_tier, region)
        cheaper = off_peak_of(entry)
        if off_peak and cheaper is not None:
            entry = cheaper.applied(entry)
        sized = self._sized.has(provider, model)
        varies_by = variation(entry, cheaper, regional=regional, sized=sized)
        entry = entry.replaced(by_choices(entry.fields, choices))
        ladder = price_ladder(entry)
        base = ladder[0][1]
        return _Price(
            match,
            base.whole_inputs,
            base.whole_outputs,
            up_to=ladder[1][0] if len(ladder) > 1 else _NO_LIMIT,
            ladder=ladder,
            unpriced=Priced(None, None, "unpriced_unit", self.version, match),
            varies=varies_by,
        )


def _step(ladder: Ladder, counts: Counts) -> RateCard:
    tokens = sum(counts.get(name, 0) for name in INPUT_TOKENS)
    return next(rates for above, rates in reversed(ladder) if tokens > above)
