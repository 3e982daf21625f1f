"""Usage times price, exactly: whole pico-dollars from the tokens of one call.

Pure: it knows no broker, no clock and no litellm, only entries in the vocabulary of
litellm's price list. The same call priced by the same book is the same charge, on
every machine and for ever. docs/pricing.md has the rules and their sources.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from functools import cached_property
from typing import Final, NamedTuple

from taximeter_processors.choices import NOTHING, Choices, by_choices, choices_of
from taximeter_processors.circumstances import (
    Circumstances,
    Occurrence,
    Varies,
    counted_in,
    variation,
)
from taximeter_processors.ladders import Ladder, marked_up, price_ladder
from taximeter_processors.off_peak import off_peak_of
from taximeter_processors.own_layer import Entries, OwnLayer
from taximeter_processors.price_choice import PriceChoice
from taximeter_processors.price_entries import PriceEntry, refuse_floats
from taximeter_processors.priced import Listed, Priced, Rate, SteadyPrice
from taximeter_processors.rates import Counts, RateCard, counts_of
from taximeter_processors.scopes import Scope
from taximeter_schemas.fields import MAX_COUNT
from taximeter_schemas.usage import INPUT_TOKENS, Usage, UsageRecorded

__all__ = ["Listed", "PriceBook", "Priced"]

# More input tokens than any usage can hold.
_NO_LIMIT: Final = MAX_COUNT * (len(INPUT_TOKENS) + 1)

# Names come from outside; forgetting them all is cheap and bounds the memory.
_REMEMBERED: Final = 20_000


_Names = tuple[str, str, str]


class _Price(NamedTuple):
    """The prices of one (provider, model, service tier), laid out for the quick way.

    `inputs` and `outputs` are the whole pico-dollars of the ladder's lowest step, which
    holds up to and with `up_to` input tokens. `varies` is None for nearly all models;
    the others are looked up once more, in their circumstances. `as_listed` says that
    these are the list's own prices.
    """

    match: str | None
    inputs: dict[str, int]
    outputs: dict[str, int]
    up_to: int
    ladder: Ladder
    unpriced: Priced
    varies: Varies | None
    as_listed: bool


class PriceBook:
    """One version of all prices.

    Args:
        entries: the list, in litellm's vocabulary, numbers as int, Decimal or text.
        version: names these prices in every charge that they make.
        own: prices, mark-ups and names of one's own over the list.

    Raises:
        ConfigurationError: if a binary float stands among the prices.

    >>> book = PriceBook({"gpt-4o": {
    ...     "litellm_provider": "openai",
    ...     "input_cost_per_token": "0.0000025", "output_cost_per_token": "0.00001",
    ... }}, "example-1")
    >>> book.price_usage("openai", "gpt-4o", "standard", Usage(text_input_tokens=1000))
    ... # doctest: +NORMALIZE_WHITESPACE
    Priced(input_pico=2500000000, output_pico=0, unpriced_reason=None,
           price_version='example-1', price_match='gpt-4o', listed=None)
    >>> book.price_usage("acme", "gpt-4o", "standard", Usage()).unpriced_reason
    'unknown_model'
    >>> book.price_usage("openai", "gpt-4o", "standard", Usage(pages=1)).unpriced_reason
    'unpriced_unit'
    """

    def __init__(
        self, entries: Entries, version: str, own: OwnLayer | None = None
    ) -> None:
        refuse_floats(entries)
        self.version = version
        self._list, self._own = entries, own or OwnLayer()
        self.choice = PriceChoice(entries, self._own)
        self._prices: dict[_Names, _Price] = {}
        self._variants: dict[
            tuple[*_Names, str | None, bool, Collection[Scope], Choices], _Price
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

    def price_for(
        self,
        provider: str,
        model: str,
        service_tier: str,
        usage: Usage,
        project_id: str,
        tags: Mapping[str, str],
    ) -> Priced:
        """Return what a usage would cost in these circumstances, at peak times."""
        names = (provider, model, service_tier)
        scopes = self.choice.scopes_of(provider, model).covering(project_id, tags)
        price = self._variant(names, None, False, scopes, NOTHING)
        used = counts_of(usage)
        if price.varies is not None:
            used = counted_in(price.varies, used, None)
        return self._priced_by_rule(price, used, None)

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
        match, inputs, outputs, up_to, _, unpriced, varies, _ = price
        listed = None
        if varies is not None:
            used = counts
            price, counts = self._in_circumstances(varies, names, used, call)
            match, inputs, outputs, up_to, _, unpriced, _, as_listed = price
            listed = None if as_listed else self._listed_cost(names, used, call)
        input_tokens = input_pico = output_pico = 0
        for name, count in counts.items():
            if name in inputs:
                input_tokens += count
                input_pico += count * inputs[name]
            elif name in outputs:
                output_pico += count * outputs[name]
            elif count:
                return self._priced_by_rule(price, counts, listed)
        if input_tokens > up_to:
            return self._priced_by_rule(price, counts, listed)
        if match is None:
            return unpriced
        return Priced(input_pico, output_pico, None, self.version, match, listed)

    def book_at(self, moment: datetime) -> PriceBook:
        """Return the book in force at a moment: it is always this one."""
        return self

    def steady(
        self, provider: str, model: str, service_tier: str, call: Circumstances
    ) -> SteadyPrice | None:
        """Return the price of all calls in circumstances like these.

        None if it takes more than that to know it: the time of day, or how long the
        call took.
        """
        names = (provider, model, service_tier)
        price = first = self._prices.get(names) or self._look_up(names)
        if first.varies is not None:
            price, counted = self._in_circumstances(first.varies, names, {}, call)
            if counted or _by_moment(first) or _by_moment(price):
                return None
        found = _steady(price, self.version)
        if price.match is None or price.as_listed:
            return found
        listed = self._listed.steady(*names, call)
        return None if listed is None else found.over(listed)

    def _listed_cost(
        self, names: _Names, counts: Counts, call: Circumstances | None
    ) -> Listed:
        """Return what the list alone says that a call costs."""
        priced = self._listed.price_counts(*names, counts, call)
        if priced.input_pico is None or priced.output_pico is None:
            return Listed(None)
        return Listed(priced.input_pico + priced.output_pico)

    @cached_property
    def _listed(self) -> PriceBook:
        """The list alone: what one calls its models has no price."""
        return PriceBook(self._list, self.version, OwnLayer(aliases=self._own.aliases))

    def _as_served(
        self, names: _Names, counts: Counts, call: Circumstances
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
                project_id=call.project_id,
                tags=call.tags,
            )
            found = self._in_circumstances(price.varies, served, counts, plain)
            price, counts = found
        if price.match is None:
            return price, counts
        return price._replace(match=f"{price.match} (response model)"), counts

    def _in_circumstances(
        self,
        varies: Varies,
        names: _Names,
        counts: Counts,
        call: Circumstances | None,
    ) -> tuple[_Price, Counts]:
        """Return the price that holds for a call, and what counts in it besides."""
        region = call.region if call and varies.by_region else None
        off_peak = varies.off_peak
        cheap = bool(off_peak and call and off_peak.covers(call.occurred_at))
        choices = choices_of(call) if call and varies.by_choice else NOTHING
        scopes: Collection[Scope] = ()
        if varies.scopes and call is not None:
            scopes = varies.scopes.covering(call.project_id, call.tags)
        price = self._variant(names, region, cheap, scopes, choices)
        if price.match is None and call is not None and call.response_model:
            return self._as_served(names, counts, call)
        return price, counted_in(price.varies or varies, counts, call)

    def _priced_by_rule(
        self, price: _Price, counts: Counts, listed: Listed | None
    ) -> Priced:
        if price.match is None:
            return price.unpriced
        charged = _step(price.ladder, counts).charge(counts)
        if charged is None:
            return price.unpriced._replace(listed=listed)
        return Priced(*charged, None, self.version, price.match, listed)

    def _look_up(self, names: _Names) -> _Price:
        if len(self._prices) >= _REMEMBERED:
            self._prices.clear()
        price = self._prices[names] = self._compiled(*names)
        return price

    def _variant(
        self,
        names: _Names,
        region: str | None,
        off_peak: bool,
        scopes: Collection[Scope],
        choices: Choices,
    ) -> _Price:
        key = (*names, region, off_peak, scopes, choices)
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
        scopes: Collection[Scope] = (),
        choices: Choices = NOTHING,
    ) -> _Price:
        chosen = self.choice.choose(provider, model, region, scopes, choices)
        regional = self.choice.index.has_regions(provider, model)
        elsewhere = self.choice.scopes_of(provider, model)
        if chosen is None:
            nothing = Priced(None, None, "unknown_model", self.version, None)
            varies = Varies(None, regional, False, False, True, elsewhere)
            return _Price(None, {}, {}, _NO_LIMIT, (), nothing, varies, True)
        match = str(chosen.match)
        entry = PriceEntry(chosen.match.key, chosen.fields, service_tier, region)
        cheaper = off_peak_of(entry)
        if off_peak and cheaper is not None:
            entry = cheaper.applied(entry)
        varies_by = variation(
            entry,
            cheaper,
            regional=regional,
            sized=self.choice.has_sizes(provider, model),
            scopes=elsewhere,
            own=not chosen.as_listed,
        )
        entry = entry.replaced(by_choices(entry.fields, choices))
        ladder = marked_up(price_ladder(entry), chosen.factor)
        base = ladder[0][1]
        return _Price(
            match,
            base.whole_inputs,
            base.whole_outputs,
            up_to=ladder[1][0] if len(ladder) > 1 else _NO_LIMIT,
            ladder=ladder,
            unpriced=Priced(None, None, "unpriced_unit", self.version, match),
            varies=varies_by,
            as_listed=chosen.as_listed,
        )


def _steady(price: _Price, version: str) -> SteadyPrice:
    inputs = {name: Rate(pico, 0, pico, 1) for name, pico in price.inputs.items()}
    outputs = {name: Rate(0, pico, pico, 0) for name, pico in price.outputs.items()}
    nothing = price.unpriced if price.match is None else None
    return SteadyPrice(version, price.match, outputs | inputs, price.up_to, nothing)


def _by_moment(price: _Price) -> bool:
    return price.varies is not None and price.varies.off_peak is not None


def _step(ladder: Ladder, counts: Counts) -> RateCard:
    tokens = sum(counts.get(name, 0) for name in INPUT_TOKENS)
    return next(rates for above, rates in reversed(ladder) if tokens > above)
