"""What one model charges for each class of tokens: stated, or fallen back to.

Pure. The rules are those of litellm's `llm_cost_calc/utils.py`; docs/pricing.md lists
each with its source.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final

from taximeter_processors.price_entries import PriceEntry
from taximeter_processors.regions import regional_multiplier
from taximeter_schemas.usage import OUTPUT_TOKENS

__all__ = ["own_prices", "token_prices"]

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
    "cache_read_explicit_tokens": "explicit_cache_read_input_token_cost",
    "cache_read_audio_tokens": "cache_read_input_audio_token_cost",
    "cache_read_image_tokens": "cache_read_input_image_token_cost",
}


def token_prices(entry: PriceEntry, passed: Sequence[str]) -> dict[str, Fraction]:
    """Return the price of each class that has one, after the thresholds passed."""
    factor = _speed_multiplier(entry) * regional_multiplier(entry, entry.region)
    return {
        name: price * factor
        for name, price in _token_prices(entry, passed).items()
        if price is not None
    }


def own_prices(entry: PriceEntry) -> frozenset[str]:
    """Return the classes with a price of their own above 0, not that of text."""
    return frozenset(name for name, key in _OWN_PRICE.items() if entry.price(key))


def _token_prices(
    entry: PriceEntry, passed: Sequence[str]
) -> dict[str, Fraction | None]:
    text_input = entry.stepped("input_cost_per_token", passed)
    text_output = entry.stepped("output_cost_per_token", passed)
    read = entry.stepped("cache_read_input_token_cost", passed)
    if read is None:
        read = _unstated_cache_read(entry, text_input)
    write = entry.stepped("cache_creation_input_token_cost", passed)
    if write is None:
        write = text_input
    long_write = entry.stepped("cache_creation_input_token_cost_above_1hr", passed)
    lasting = entry.stepped("cache_creation_input_token_cost_above_12hr", passed)
    prices = {
        "cache_read_tokens": read,
        "cache_write_5m_tokens": write,
        "cache_write_1h_tokens": write if long_write is None else long_write,
        "cache_write_12h_tokens": write if lasting is None else lasting,
        "citation_tokens": _citation_price(entry),
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


def _unstated_cache_read(
    entry: PriceEntry, text_input: Fraction | None
) -> Fraction | None:
    """A cache price that is not stated is the input price.

    Fireworks documents half of it for every model without one (litellm
    `llms/fireworks_ai/cache_pricing.py`).
    """
    if entry.fields.get("litellm_provider") == "fireworks_ai":
        standard = entry.price("input_cost_per_token")
        return None if standard is None else standard / 2
    return text_input


def _citation_price(entry: PriceEntry) -> Fraction | None:
    """Perplexity bills the text of its citations for one model, not for the others."""
    stated = entry.price("citation_cost_per_token")
    if stated is None and entry.family == "perplexity":
        return Fraction(0)
    return stated


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


def _speed_multiplier(entry: PriceEntry) -> Fraction:
    """Anthropic's fast mode: every token at a multiple of its standard price."""
    if entry.service_tier != "fast":
        return Fraction(1)
    stated = entry.table("provider_specific_entry").get("fast")
    return Fraction(stated) if isinstance(stated, (int, Decimal)) else Fraction(1)
