"""What one model charges for each field of `Usage`: the rate card.

Pure. The rules are those of litellm's `llm_cost_calc/utils.py`; docs/pricing.md lists
each with its source, and every place where we deliberately differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Final

from taximeter_processors.price_entries import PriceEntry
from taximeter_schemas.usage import INPUT_TOKENS, OUTPUT_TOKENS, Usage

__all__ = ["Counts", "RateCard", "counts_of", "rate_card"]

_OWN_PRICE: Final = {
    "text_input_tokens": "input_cost_per_token",
    "audio_input_tokens": "input_cost_per_audio_token",
    "image_input_tokens": "input_cost_per_image_token",
    "video_input_tokens": "input_cost_per_video_token",
    "text_output_tokens": "output_cost_per_token",
    "audio_output_tokens": "output_cost_per_audio_token",
    "image_output_tokens": "output_cost_per_image_token",
    "video_output_tokens": "output_cost_per_video_token",
}
_CACHED_PRICE: Final = {
    "cache_read_audio_tokens": "cache_read_input_audio_token_cost",
    "cache_read_image_tokens": "cache_read_input_image_token_cost",
}

# What is not counted in tokens: its possible prices, best first, each with the modes
# in which the list means it so (none: in all). "input_cost_per_second" of a chat model
# is the wall clock of rented capacity and prices no audio.
_HEARD: Final = ("audio_transcription", "audio_speech", "realtime")
_UNIT_PRICES: Final[Mapping[str, Sequence[tuple[str, Sequence[str]]]]] = {
    "image_count": (("output_cost_per_image", ()), ("input_cost_per_image", ())),
    "characters": (("input_cost_per_character", ()),),
    "pages": (("ocr_cost_per_page", ()),),
    "queries": (("input_cost_per_query", ()),),
    "audio_seconds": (
        ("input_cost_per_audio_per_second", ()),
        ("input_cost_per_second", _HEARD),
        ("output_cost_per_second", _HEARD),
    ),
    "video_seconds": (
        ("output_cost_per_video_per_second", ()),
        ("output_cost_per_second", ("video_generation",)),
        ("input_cost_per_video_per_second", ()),
    ),
}
_IMAGE_MODES: Final = ("image_generation", "image_edit")

# One thing, measured twice: the unit, and the tokens that may count the same.
_TWINS: Final[Mapping[str, tuple[str, ...]]] = {
    "image_count": ("image_input_tokens", "image_output_tokens"),
    "characters": ("text_input_tokens",),
    "audio_seconds": ("audio_input_tokens", "audio_output_tokens"),
    "video_seconds": ("video_input_tokens", "video_output_tokens"),
}

Counts = dict[str, int]
"""What a call used, by the names of `Usage`'s fields; what is not in it is 0.

Seconds may be a Decimal, which multiplies, compares and adds up like a whole number.
"""


@dataclass(frozen=True)
class RateCard:
    """Pico-dollars for one unit of each field of `Usage` that has a known price.

    Attributes:
        inputs: what is charged as input cost.
        outputs: what is charged as output cost.
        own: token fields with a price of their own above 0, not one that falls back
            to that of text.
        once: fields that are charged once a call, however often they happened.
        whole_inputs: the token fields of `inputs` whose price is a whole number of
            pico-dollars, which multiply without any rounding.
        whole_outputs: the same of `outputs`.
    """

    inputs: Mapping[str, Fraction]
    outputs: Mapping[str, Fraction]
    own: frozenset[str] = frozenset()
    once: frozenset[str] = frozenset()
    whole_inputs: dict[str, int] = field(init=False)
    whole_outputs: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "whole_inputs", _whole(self.inputs, INPUT_TOKENS))
        object.__setattr__(self, "whole_outputs", _whole(self.outputs, OUTPUT_TOKENS))

    def charge(self, used: Counts) -> tuple[int, int] | None:
        """Return the input and output cost in pico-dollars, None if a price is missing.

        Each class is rounded once, half-even, and only where its price has more than
        12 decimal places (or its count is a fraction of a second).
        """
        counts = self._counted_once({name: n for name, n in used.items() if n})
        charged = [0, 0]
        for name, count in counts.items():
            side, rates = (0, self.inputs) if name in self.inputs else (1, self.outputs)
            rate = rates.get(name)
            if rate is None:
                return None
            units = min(count, 1) if name in self.once else count
            charged[side] += round(rate * Fraction(units))
        return charged[0], charged[1]

    def _counted_once(self, counts: Counts) -> Counts:
        """Leave out what counts the same thing a second time in another unit.

        The tokens are charged if they have a price of their own, else the unit if it
        has one, else the tokens at the price that they fall back to.
        """
        left = dict(counts)
        for unit in _TWINS.keys() & counts.keys():
            twins = [name for name in self._twins(unit) if name in counts]
            if not twins:
                continue
            in_tokens = any(name in self.own for name in twins)
            if in_tokens or not self._prices(unit):
                if any(self._prices(name) for name in twins):
                    del left[unit]
            else:
                for name in twins:
                    left.pop(name, None)
        return left

    def _twins(self, unit: str) -> tuple[str, ...]:
        if unit in self.inputs:
            return tuple(name for name in _TWINS[unit] if name in INPUT_TOKENS)
        if unit in self.outputs:
            return tuple(name for name in _TWINS[unit] if name in OUTPUT_TOKENS)
        return _TWINS[unit]

    def _prices(self, name: str) -> bool:
        return name in self.inputs or name in self.outputs


def rate_card(entry: PriceEntry, passed: Sequence[str] = ()) -> RateCard:
    """Return the rates of a request that has passed the given context thresholds.

    Args:
        entry: the model's entry for one service tier.
        passed: the thresholds below the request's input tokens, ascending, as the
            list spells them ("200k").

    >>> card = rate_card(PriceEntry("m", {
    ...     "litellm_provider": "acme",
    ...     "input_cost_per_token": "1e-6",
    ...     "input_cost_per_token_above_200k_tokens": "2e-6",
    ... }), passed=["200k"])
    >>> card.inputs["text_input_tokens"], card.inputs["cache_read_tokens"]
    (Fraction(2000000, 1), Fraction(2000000, 1))
    >>> card.charge({"text_input_tokens": 10})
    (20000000, 0)
    >>> card.charge({"text_output_tokens": 1}) is None
    True
    """
    speed = _speed_multiplier(entry)
    tokens = {
        name: price * speed
        for name, price in _token_prices(entry, passed).items()
        if price is not None
    }
    units = _unit_prices(entry)
    searches = _search_price(entry)
    inputs = {name: tokens[name] for name in INPUT_TOKENS if name in tokens}
    outputs = {name: tokens[name] for name in OUTPUT_TOKENS if name in tokens}
    for name, (source, price) in units.items():
        made = source.startswith("output_") or (
            name == "image_count" and entry.mode in _IMAGE_MODES
        )
        (outputs if made else inputs)[name] = price
    if searches is not None:
        inputs["web_searches"] = searches
    own = (name for name, price in _OWN_PRICE.items() if entry.price(price))
    once = ("web_searches",) if _searches_by_prompt(entry) else ()
    return RateCard(inputs, outputs, own=frozenset(own), once=frozenset(once))


def _token_prices(
    entry: PriceEntry, passed: Sequence[str]
) -> dict[str, Fraction | None]:
    text_input = _stepped(entry, "input_cost_per_token", passed)
    text_output = _stepped(entry, "output_cost_per_token", passed)
    read = _stepped(entry, "cache_read_input_token_cost", passed)
    if read is None:
        read = _unstated_cache_read(entry, text_input)
    write = _stepped(entry, "cache_creation_input_token_cost", passed)
    if write is None:
        write = text_input
    long_write = _stepped(entry, "cache_creation_input_token_cost_above_1hr", passed)
    prices = {
        "cache_read_tokens": read,
        "cache_write_5m_tokens": write,
        "cache_write_1h_tokens": write if long_write is None else long_write,
        "reasoning_output_tokens": _reasoning_price(entry, text_output),
        "text_input_tokens": text_input,
        "text_output_tokens": text_output,
    }
    for name, key in _OWN_PRICE.items():
        if name not in prices:
            own = entry.price(key)
            text = text_output if name in OUTPUT_TOKENS else text_input
            prices[name] = text if own is None else own
    for name, key in _CACHED_PRICE.items():
        own = entry.price(key)
        prices[name] = read if own is None else own
    return prices


def _stepped(entry: PriceEntry, name: str, passed: Sequence[str]) -> Fraction | None:
    """The price after the last threshold passed that states one."""
    price = entry.price(name)
    for step in passed:
        above = entry.price(f"{name}_above_{step}_tokens")
        if above is not None:
            price = above
    return price


def _unstated_cache_read(
    entry: PriceEntry, text_input: Fraction | None
) -> Fraction | None:
    """A cache price that is not stated is the input price.

    Fireworks documents half of it for every model without one (litellm
    `llms/fireworks_ai/cache_pricing.py`).
    """
    if entry.family == "fireworks_ai":
        standard = entry.price("input_cost_per_token")
        return None if standard is None else standard / 2
    return text_input


def _reasoning_price(
    entry: PriceEntry, text_output: Fraction | None
) -> Fraction | None:
    """Reasoning is output, at a price of its own where one is stated.

    A tier that states an output price but no reasoning price means its output price.
    xAI bills reasoning as output whatever else is stated.
    """
    if entry.family == "xai":
        return text_output
    own = entry.tier_price("output_cost_per_reasoning_token")
    if own is None and entry.tier_price("output_cost_per_token") is None:
        own = entry.price("output_cost_per_reasoning_token")
    return text_output if own is None else own


def _unit_prices(entry: PriceEntry) -> dict[str, tuple[str, Fraction]]:
    prices = {name: _unit_price(entry, name) for name in _UNIT_PRICES}
    return {name: found for name, found in prices.items() if found is not None}


def _unit_price(entry: PriceEntry, name: str) -> tuple[str, Fraction] | None:
    """The first price above 0 among the possible ones, else an explicit 0."""
    stated: list[tuple[str, Fraction]] = []
    for source, modes in _UNIT_PRICES[name]:
        price = entry.price(source)
        if price is not None and (not modes or entry.mode in modes):
            stated.append((source, price))
    charged = [found for found in stated if found[1]]
    return next(iter(charged or stated), None)


def _search_price(entry: PriceEntry) -> Fraction | None:
    """A web search at medium context; Perplexity's own default is low."""
    size = "low" if entry.family == "perplexity" else "medium"
    return entry.nested_price(
        "search_context_cost_per_query", f"search_context_size_{size}"
    )


def _searches_by_prompt(entry: PriceEntry) -> bool:
    """Gemini 2 charges a grounded prompt once, Gemini 3 each of its queries."""
    billed_by = entry.fields.get("web_search_billing_unit") or "per_prompt"
    return "gemini" in entry.key and billed_by == "per_prompt"


def _speed_multiplier(entry: PriceEntry) -> Fraction:
    """Anthropic's fast mode: every token at a multiple of its standard price."""
    if entry.service_tier != "fast":
        return Fraction(1)
    stated = entry.table("provider_specific_entry").get("fast")
    return Fraction(stated) if isinstance(stated, (int, Decimal)) else Fraction(1)


def _whole(rates: Mapping[str, Fraction], names: Sequence[str]) -> dict[str, int]:
    return {
        name: rates[name].numerator
        for name in names
        if name in rates and rates[name].denominator == 1
    }


def counts_of(usage: Usage) -> Counts:
    """Return what was used at all.

    >>> counts_of(Usage(text_input_tokens=3, pages=0))
    {'text_input_tokens': 3}
    """
    counts = usage.__dict__
    return {name: counts[name] for name in usage.model_fields_set if counts[name]}
