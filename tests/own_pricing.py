"""Prices of one's own as tests state them, and what calls then cost."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from taximeter.own_entries import own_layer
from taximeter.own_prices import OwnFile, OwnPrice
from taximeter_processors.circumstances import Occurrence
from taximeter_processors.own_layer import OwnLayer
from taximeter_processors.pricing import PriceBook, Priced
from taximeter_processors.rates import Counts
from tests.builders import NOON

__all__ = ["LISTED", "MILLION", "a_book", "a_call", "a_layer", "usd_of"]

MILLION = 1_000_000
LISTED: dict[str, dict[str, object]] = {
    "m": {
        "litellm_provider": "acme",
        "input_cost_per_token": Decimal("10e-6"),
        "output_cost_per_token": Decimal("30e-6"),
    },
    "n": {"litellm_provider": "acme", "input_cost_per_token": Decimal("5e-6")},
    "other/m": {"litellm_provider": "other", "input_cost_per_token": Decimal("7e-6")},
}
"""Two providers: m of acme costs 10 dollars a million in, 30 out."""


def a_layer(
    *rows: Mapping[str, Any], aliases: Mapping[str, str | None] | None = None
) -> OwnLayer:
    """Return what rows of a file say of the list; of acme's m if they do not say."""
    prices = [OwnPrice.model_validate(row) for row in rows]
    return own_layer(OwnFile(prices, aliases or {}), LISTED, OwnLayer(), NOON)


def a_book(
    *rows: Mapping[str, Any], aliases: Mapping[str, str | None] | None = None
) -> PriceBook:
    """Return the book with these own prices over the list."""
    return PriceBook(LISTED, "v", a_layer(*rows, aliases=aliases))


def a_call(
    book: PriceBook,
    model: str = "m",
    project: str = "search",
    counts: Counts | None = None,
    *,
    provider: str = "acme",
    tier: str = "standard",
    **facts: Any,  # noqa: ANN401 - the fields of `Occurrence`
) -> Priced:
    """Price a call of a project: a million tokens in, if nothing else is said."""
    used = {"text_input_tokens": MILLION} if counts is None else counts
    call = Occurrence(NOON, project_id=project, **facts)
    return book.price_counts(provider, model, tier, used, call)


def usd_of(priced: Priced) -> tuple[Any, Any]:
    """Return what is charged and what the list says, in dollars."""
    if priced.input_pico is None or priced.output_pico is None:
        cost = None
    else:
        cost = priced.input_pico + priced.output_pico
    listed = priced.listed.pico if priced.listed else cost
    return _usd(cost), _usd(listed)


def _usd(pico: int | None) -> Decimal | None:
    return None if pico is None else Decimal(pico) / 10**12
