"""The prices that people state for a model, as an entry of a list says them. Pure.

Common ones have plain names; all others are stated by the list's own grammar.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal, localcontext
from typing import Final

from taximeter_processors.ladders import price_ladder
from taximeter_processors.price_entries import PriceEntry
from taximeter_processors.price_faults import field_faults, is_price

__all__ = [
    "NAMES",
    "counts_for_nothing",
    "fixed_faults",
    "fixed_prices",
    "free_prices",
    "is_list_field",
]

_EXACT_DIGITS: Final = 60
_MILLION: Final = 1_000_000
_SEARCH: Final = "search_context_cost_per_query"
_PER_MILLION: Final[Mapping[str, str]] = {
    "input_per_million": "input_cost_per_token",
    "output_per_million": "output_cost_per_token",
    "cache_read_per_million": "cache_read_input_token_cost",
    "cache_write_per_million": "cache_creation_input_token_cost",
    "cache_write_1h_per_million": "cache_creation_input_token_cost_above_1hr",
    "cache_write_12h_per_million": "cache_creation_input_token_cost_above_12hr",
    "citations_per_million": "citation_cost_per_token",
    "reasoning_per_million": "output_cost_per_reasoning_token",
    "audio_input_per_million": "input_cost_per_audio_token",
    "audio_output_per_million": "output_cost_per_audio_token",
    "image_input_per_million": "input_cost_per_image_token",
    "image_output_per_million": "output_cost_per_image_token",
    "video_input_per_million": "input_cost_per_video_token",
    "video_output_per_million": "output_cost_per_video_token",
    "characters_per_million": "input_cost_per_character",
    "output_characters_per_million": "output_cost_per_character",
}
_PER_ONE: Final[Mapping[str, str]] = {
    "per_image": "output_cost_per_image",
    "per_pixel": "input_cost_per_pixel",
    "per_audio_second": "input_cost_per_audio_per_second",
    "per_video_second": "output_cost_per_video_per_second",
    "per_page": "ocr_cost_per_page",
    "per_annotated_page": "annotation_cost_per_page",
    "per_credit": "ocr_cost_per_credit",
    "per_query": "input_cost_per_query",
    "per_web_search": _SEARCH,
    "per_maps_query": "google_maps_grounding_cost_per_query",
    "per_session": "code_interpreter_cost_per_session",
    "per_text_message": "input_cost_per_text_message",
    "per_request": "input_cost_per_request",
    "gpu_second": "cost_per_second",
}
_SIZES: Final = tuple(
    f"search_context_size_{size}" for size in ("low", "medium", "high")
)
_TABLES: Final = ("tiered_pricing", "off_peak_pricing", _SEARCH)

# What a rented or free machine does costs nothing more, whatever it is counted in.
_DONE_BY_IT: Final = (
    "per_image",
    "per_pixel",
    "per_audio_second",
    "per_video_second",
    "per_page",
    "per_query",
    "per_text_message",
    "characters_per_million",
    "output_characters_per_million",
)
_FREE: Final = (
    "input_per_million",
    "output_per_million",
    "citations_per_million",
    *_DONE_BY_IT,
    "per_credit",
    "per_web_search",
    "per_maps_query",
    "per_session",
)

NAMES: Final = (*_PER_MILLION, *_PER_ONE)
"""The plain names, each for one price in USD."""


def is_list_field(name: str) -> bool:
    """Tell whether a list's grammar has a price of that name.

    >>> is_list_field("input_cost_per_token_above_200k_tokens"), is_list_field("mode")
    (True, False)
    """
    return name in _TABLES or is_price(name)


def fixed_prices(stated: Mapping[str, object], gpus: int = 1) -> dict[str, object]:
    """Return prices by a list's names, for one of each unit.

    Args:
        stated: by plain names, for a million or one, or by a list's own.
        gpus: how many a call occupies for its time.

    >>> fixed_prices({"input_per_million": Decimal("0.20")})
    {'input_cost_per_token': Decimal('2E-7')}
    >>> fixed_prices({"gpu_second": Decimal("0.0006")}, 4)["cost_per_second"]
    Decimal('0.0024')
    """
    if "gpu_second" in stated:
        stated = {**dict.fromkeys(_DONE_BY_IT, Decimal(0)), **stated}
    prices: dict[str, object] = {}
    for name, usd in stated.items():
        prices |= _one(name, usd, gpus)
    return prices


def free_prices() -> dict[str, object]:
    """Return 0 for everything that a call may use."""
    return fixed_prices(dict.fromkeys(_FREE, Decimal(0)))


def fixed_faults(stated: Mapping[str, object]) -> Iterator[str]:
    """Yield what is wrong with stated prices, as a list would be refused for it."""
    unknown = [n for n in stated if n not in NAMES and not is_list_field(n)]
    for name in unknown:
        yield f"{name} is no price that is known"
    known = {name: stated[name] for name in stated if name not in unknown}
    listed = {name: usd for name, usd in known.items() if name not in NAMES}
    yield from field_faults(listed)
    twice = [n for n in known if n in NAMES and _list_name(n) in listed]
    for name in twice:
        yield f"{name} and {_list_name(name)} are the same price"
    if "gpu_second" in known and any(_by_token(name) for name in known):
        yield "a model costs its time (gpu_second) or its tokens, not both"


def counts_for_nothing(key: str, fields: Mapping[str, object]) -> bool:
    """Tell whether an entry has prices by which no call could be charged."""
    cards = [card for _, card in price_ladder(PriceEntry(key, fields))]
    return not any(card.inputs or card.outputs for card in cards)


def _one(name: str, usd: object, gpus: int) -> dict[str, object]:
    if not isinstance(usd, Decimal):
        return {name: usd}
    with localcontext(prec=_EXACT_DIGITS):
        if name in _PER_MILLION:
            return {_PER_MILLION[name]: usd / _MILLION}
        if name == "gpu_second":
            return {_PER_ONE[name]: usd * gpus}
    if name == "per_web_search":
        return {_SEARCH: dict.fromkeys(_SIZES, usd)}
    return {_list_name(name): usd}


def _list_name(name: str) -> str:
    return _PER_MILLION.get(name) or _PER_ONE.get(name, name)


def _by_token(name: str) -> bool:
    return "token" in _list_name(name)
