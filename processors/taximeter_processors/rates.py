"""What one model charges for each field of `Usage`: the rate card.

Pure. The rules are those of litellm's `llm_cost_calc/utils.py`; docs/pricing.md lists
each with its source, and every place where we deliberately differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from taximeter_processors.price_entries import PriceEntry
from taximeter_processors.token_prices import own_prices, token_prices
from taximeter_processors.unit_prices import ELAPSED, unit_prices
from taximeter_schemas.usage import INPUT_TOKENS, OUTPUT_TOKENS, Usage

__all__ = ["Counts", "RateCard", "counts_of", "rate_card"]

# One thing, measured twice: the unit, and what may count the same.
_TWINS: Final[Mapping[str, tuple[str, ...]]] = {
    "image_pixels": ("image_count",),
    "image_count": ("image_input_tokens", "image_output_tokens"),
    "characters": ("text_input_tokens",),
    "output_characters": ("text_output_tokens",),
    "audio_seconds": ("audio_input_tokens", "audio_output_tokens"),
    "video_seconds": ("video_input_tokens", "video_output_tokens"),
}

# Google bills a grounded prompt once, unless the list says that it bills queries.
_GROUNDED: Final = ("web_searches", "maps_queries")

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

    def times(self, factor: Fraction) -> RateCard:
        """Return the card with every price multiplied; what counts once stays so."""
        inputs = {name: rate * factor for name, rate in self.inputs.items()}
        outputs = {name: rate * factor for name, rate in self.outputs.items()}
        return RateCard(inputs, outputs, self.own, self.once)

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
        for unit in _TWINS:
            twins = [name for name in self._twins(unit) if name in left]
            if unit not in left or not twins:
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
            return tuple(n for n in _TWINS[unit] if n not in OUTPUT_TOKENS)
        if unit in self.outputs:
            return tuple(n for n in _TWINS[unit] if n not in INPUT_TOKENS)
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
    tokens, units = token_prices(entry, passed), unit_prices(entry, passed)
    if ELAPSED in units:
        # The time is the price; what happens in it costs nothing more.
        tokens = dict.fromkeys((*INPUT_TOKENS, *OUTPUT_TOKENS), Fraction(0))
    inputs = {name: tokens[name] for name in INPUT_TOKENS if name in tokens}
    outputs = {name: tokens[name] for name in OUTPUT_TOKENS if name in tokens}
    for name, price in units.items():
        (outputs if price.made else inputs)[name] = price.pico
    once = frozenset(_GROUNDED if _bills_prompts(entry) else ())
    return RateCard(inputs, outputs, own=own_prices(entry), once=once)


def _bills_prompts(entry: PriceEntry) -> bool:
    """Gemini 2 charges a grounded prompt once, Gemini 3 each of its queries."""
    billed_by = entry.fields.get("web_search_billing_unit") or "per_prompt"
    return "gemini" in entry.key and billed_by == "per_prompt"


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
