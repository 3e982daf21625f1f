"""What one model charges for whatever is not counted in tokens.

Pure. Each unit has its possible prices in the list, best first; docs/pricing.md has
the same table for people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final, NamedTuple, cast

from taximeter_processors.price_entries import PriceEntry, pico_per_unit
from taximeter_processors.regions import regional_multiplier

__all__ = ["CALLS", "ELAPSED", "UnitPrice", "elapsed_price", "unit_prices"]

ELAPSED: Final = "elapsed_seconds"
CALLS: Final = "calls"

# What search APIs return unless they are asked for more, which `choices` knows.
_USUAL_RESULTS: Final = 10

# Its possible prices, each with the modes in which the list means it so (none: in
# all). "input_cost_per_second" of a chat model is the wall clock of rented capacity
# and prices no audio.
_HEARD: Final = ("audio_transcription", "audio_speech", "realtime")
_SPOKEN: Final = ("audio_speech",)
_BUT_SPOKEN: Final = (
    "chat",
    "completion",
    "embedding",
    "image_edit",
    "image_generation",
    "realtime",
    "responses",
    "video_generation",
    None,
)
_MADE: Final = ("video_generation",)
_UNIT_PRICES: Final[Mapping[str, Sequence[tuple[str, Sequence[str | None]]]]] = {
    "image_count": (
        ("output_cost_per_image", _BUT_SPOKEN),
        ("input_cost_per_image", ()),
    ),
    "image_pixels": (("input_cost_per_pixel", ()), ("output_cost_per_pixel", ())),
    "characters": (("input_cost_per_character", ()),),
    "output_characters": (("output_cost_per_character", ()),),
    "pages": (("ocr_cost_per_page", ()),),
    "annotated_pages": (
        ("annotation_cost_per_page", ()),
        ("ocr_cost_per_page", ()),
    ),
    "credits": (("ocr_cost_per_credit", ()),),
    "queries": (("input_cost_per_query", ()),),
    "maps_queries": (("google_maps_grounding_cost_per_query", ()),),
    "sessions": (("code_interpreter_cost_per_session", ()),),
    "text_messages": (("input_cost_per_text_message", ()),),
    "audio_seconds": (
        ("input_cost_per_audio_per_second", ()),
        ("input_cost_per_second", _HEARD),
        ("output_cost_per_second", _HEARD),
    ),
    "video_seconds": (
        ("output_cost_per_video_per_second", ()),
        ("output_cost_per_second", _MADE),
        ("input_cost_per_video_per_second", ()),
    ),
    # A song is one call, whatever it is called in the list.
    CALLS: (("input_cost_per_request", ()), ("output_cost_per_image", _SPOKEN)),
}
_IMAGE_MODES: Final = ("image_generation", "image_edit")
_DRAWN: Final = ("image_count", "image_pixels")

# Modes in which a price per second, and nothing else, means the call's own time.
_BY_TIME: Final = ("chat", "completion", "embedding", "responses", None)
_RENTED: Final = ("cost_per_second", "input_cost_per_second", "output_cost_per_second")


class UnitPrice(NamedTuple):
    """The price of one unit, and whether it is paid for what came out."""

    pico: Fraction
    made: bool


def unit_prices(entry: PriceEntry, passed: Sequence[str] = ()) -> dict[str, UnitPrice]:
    """Return the price of each unit that has one, after the thresholds passed.

    >>> found = unit_prices(PriceEntry("m", {"ocr_cost_per_page": "0.001"}))
    >>> found["pages"]
    UnitPrice(pico=Fraction(1000000000, 1), made=False)
    """
    prices = {
        name: found
        for name in _UNIT_PRICES
        if (found := _unit_price(entry, name, passed)) is not None
    }
    searches = _search_price(entry)
    if searches is not None:
        prices["web_searches"] = UnitPrice(searches, made=False)
    if "queries" not in prices and (query := _tabled_query(entry)) is not None:
        prices["queries"] = UnitPrice(query, made=False)
    elapsed = elapsed_price(entry)
    if elapsed is not None:
        prices[ELAPSED] = UnitPrice(elapsed, made=False)
    return prices


def _unit_price(
    entry: PriceEntry, name: str, passed: Sequence[str]
) -> UnitPrice | None:
    """The first price above 0 among the possible ones, else an explicit 0."""
    stated: list[tuple[str, Fraction]] = []
    for source, modes in _UNIT_PRICES[name]:
        price = entry.stepped(source, passed)
        if price is not None and (not modes or entry.mode in modes):
            stated.append((source, price))
    charged = [found for found in stated if found[1]]
    source, price = next(iter(charged or stated), ("", None))
    if price is None:
        return None
    drawn = name in _DRAWN and entry.mode in _IMAGE_MODES
    if drawn:
        price *= regional_multiplier(entry, entry.region)
    return UnitPrice(price, made=drawn or source.startswith("output_"))


def _tabled_query(entry: PriceEntry) -> Fraction | None:
    """A search whose price depends on how many results it may have: the usual ten.

    >>> _tabled_query(PriceEntry("m", {"tiered_pricing": [
    ...     {"max_results_range": [0, 25], "input_cost_per_query": "0.005"},
    ...     {"max_results_range": [26, 100], "input_cost_per_query": "0.025"}]}))
    Fraction(5000000000, 1)
    """
    tiers = entry.fields.get("tiered_pricing")
    rows = cast("list[object]", tiers) if isinstance(tiers, list) else []
    for row in rows:
        tier = cast("dict[str, object]", row) if isinstance(row, dict) else {}
        limits = tier.get("max_results_range")
        first, last = (
            cast("list[object]", limits) if isinstance(limits, list) else (1, 0)
        )
        numbers = isinstance(first, (int, Decimal)) and isinstance(last, (int, Decimal))
        if numbers and first <= _USUAL_RESULTS <= last:  # type: ignore[operator]
            return pico_per_unit(tier.get("input_cost_per_query"))
    return None


def _search_price(entry: PriceEntry) -> Fraction | None:
    """A web search at medium context, Perplexity's at low: what they do unasked."""
    size = "low" if entry.family == "perplexity" else "medium"
    return entry.nested_price(
        "search_context_cost_per_query", f"search_context_size_{size}"
    )


def elapsed_price(entry: PriceEntry) -> Fraction | None:
    """Return the price of a second of the call's own time, where that is the price.

    Rented capacity has no price for tokens; where one is stated, time costs nothing.

    >>> elapsed_price(PriceEntry("m", {"mode": "chat", "cost_per_second": "0.001"}))
    Fraction(1000000000, 1)
    >>> elapsed_price(PriceEntry("m", {
    ...     "mode": "chat", "cost_per_second": "1", "input_cost_per_token": "1e-6"}))
    """
    by_token = ("input_cost_per_token", "output_cost_per_token")
    if entry.mode not in _BY_TIME or "tiered_pricing" in entry.fields:
        return None
    if any(entry.price(name) for name in by_token):
        return None
    stated = (entry.price(name) for name in _RENTED)
    return next((price for price in stated if price is not None), None)
