"""What another price list changes, price by price. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Final, Literal, NamedTuple

from taximeter_processors.price_entries import pico_per_unit
from taximeter_processors.price_faults import stated_prices
from taximeter_processors.price_versions import Entries
from taximeter_schemas.money import PICO_PER_USD

__all__ = ["PriceChange", "price_changes", "summary", "telling"]

Change = Literal["added", "removed", "dearer", "cheaper", "other"]

_MILLION: Final = 1_000_000
_EXACT_DIGITS: Final = 60
_MAIN: Final = ("input_cost_per_token", "output_cost_per_token")


class PriceChange(NamedTuple):
    """One price that changes; in USD a million tokens, or for one of its unit.

    `change` says what becomes of the model if it is added or removed, else of the
    price; "other" is a price that had not been stated, or no longer is.
    """

    change: Change
    model: str
    provider: str
    price: str
    unit: str
    old_usd: Decimal | None
    new_usd: Decimal | None


def price_changes(old: Entries, new: Entries) -> list[PriceChange]:
    """Return every price that differs, by model.

    >>> gpt = {"litellm_provider": "openai", "input_cost_per_token": "2e-6"}
    >>> dearer = {"gpt": {**gpt, "input_cost_per_token": "3e-6"}}
    >>> price_changes({"gpt": gpt}, dearer)[0][-2:]
    (Decimal('2'), Decimal('3'))
    """
    names = sorted(old.keys() | new.keys())
    return [row for name in names for row in _of(name, old.get(name), new.get(name))]


def summary(changes: Iterable[PriceChange]) -> str:
    """Return in one line how many models change in which way.

    A model of which some prices rise and others fall counts in both.
    """
    models = {(change.change, change.model) for change in changes}
    counts = Counter(kind for kind, _ in models)
    said = [
        f"{counts[kind]} {words}"
        for kind, words in _IN_WORDS.items()
        if counts[kind] or kind != "other"
    ]
    return f"models: {', '.join(said)}"


def telling(changes: Iterable[PriceChange]) -> Iterator[PriceChange]:
    """Yield the changes, of models that come or go with their main prices only."""
    told: set[str] = set()
    for change in changes:
        if change.change not in ("added", "removed"):
            yield change
        elif change.price in _MAIN or change.model not in told:
            told.add(change.model)
            yield change


_IN_WORDS: Final[Mapping[Change, str]] = {
    "added": "added",
    "removed": "removed",
    "dearer": "dearer",
    "cheaper": "cheaper",
    "other": "changed otherwise",
}


def _of(
    model: str, old: Mapping[str, object] | None, new: Mapping[str, object] | None
) -> Iterator[PriceChange]:
    before, after = _prices(old or {}), _prices(new or {})
    provider = str((new or old or {}).get("litellm_provider", ""))
    main = [name for name in _MAIN if name in before | after]
    rest = sorted((before.keys() | after.keys()).difference(main))
    for name in main + rest:
        was, becomes = before.get(name), after.get(name)
        if was != becomes:
            kind = _kind(old, new, was, becomes)
            by = _MILLION if _by_token(name) else 1
            unit = "1M tokens" if _by_token(name) else "one"
            usd = _usd(was, by), _usd(becomes, by)
            yield PriceChange(kind, model, provider, name, unit, *usd)


def _prices(fields: Mapping[str, object]) -> dict[str, Fraction]:
    found = {name: pico_per_unit(value) for name, value in stated_prices(fields)}
    return {name: pico for name, pico in found.items() if pico is not None}


def _kind(
    old: object, new: object, was: Fraction | None, becomes: Fraction | None
) -> Change:
    if old is None:
        return "added"
    if new is None:
        return "removed"
    if was is None or becomes is None:
        return "other"
    return "dearer" if becomes > was else "cheaper"


def _by_token(name: str) -> bool:
    own = name.rpartition(".")[2]
    return "token" in own.partition("_above_")[0] and "_1k_" not in own


def _usd(pico: Fraction | None, by: int) -> Decimal | None:
    if pico is None:
        return None
    with localcontext(prec=_EXACT_DIGITS):
        exact: Decimal = Decimal(pico.numerator * by) / Decimal(pico.denominator)
        usd: Decimal = exact / PICO_PER_USD
    return usd
