"""What is stated and would not do what it says: found before it is published. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from taximeter.own_prices import OwnPrice
from taximeter_processors.model_names import family_of
from taximeter_processors.own_layer import OwnLayer
from taximeter_processors.price_choice import PriceChoice
from taximeter_processors.scopes import EVERYBODY

__all__ = ["Numbered", "own_faults"]

Numbered = tuple[int, OwnPrice]
"""A price, and which one of its file it is."""


def own_faults(
    prices: Iterable[Numbered], layer: OwnLayer, choice: PriceChoice
) -> Iterator[str]:
    """Yield what would have no effect, or another one than it says.

    Args:
        prices: what was stated.
        layer: what was made of it.
        choice: the prices that would hold with it.
    """
    for number, price in prices:
        if price.remove:
            continue
        finding = _not_sold if price.for_markups else _not_found
        for fault in finding(price, layer, choice):
            yield f"price {number}: {fault}"
    for name, meant in layer.aliases.items():
        if meant is not None and not _has_a_price(meant, choice):
            yield (
                f"aliases: {name!r} means {meant!r}, which has no price: write an "
                "entry of the list, or provider/model"
            )


def _not_found(price: OwnPrice, layer: OwnLayer, choice: PriceChoice) -> Iterator[str]:
    if price.model is None:
        return
    chosen = choice.choose(price.provider or "", price.model, None, (price.scope,))
    everybodys = price.scope == EVERYBODY
    stated = layer.entries if everybodys else layer.scoped.get(price.scope, {})
    if chosen is None or chosen.scope != price.scope or chosen.match.key not in stated:
        found = "none" if chosen is None else str(chosen.match)
        yield (
            f"{price.model!r} at {price.provider!r} would still be priced by another "
            f"entry ({found}): name the model as its events do"
        )


def _not_sold(price: OwnPrice, _: OwnLayer, choice: PriceChoice) -> Iterator[str]:
    if price.provider is None:
        return
    if price.model is None:
        families = {family for _, family in choice.sold}
        # Under a name of one's own a provider may sell what others list.
        known = choice.has_aliases or family_of(price.provider) in families
    else:
        scopes = (price.scope,)
        known = bool(choice.choose(price.provider, price.model, None, scopes))
    if not known:
        yield (
            f"{price.model or 'any model'!r} at {price.provider!r} has no price that "
            "could be marked up"
        )


def _has_a_price(meant: str, choice: PriceChoice) -> bool:
    provider, slash, model = meant.partition("/")
    if meant in choice.entries or (slash and choice.index.find(provider, model)):
        return True
    return f"{family_of(provider)}/{model}" in (key for key, _ in choice.sold)
