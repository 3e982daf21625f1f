"""Prices of your own: fixed ones, free models and discounts, as entries of a list.

Pure: it knows no Kafka. docs/pricing.md has the format of the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Annotated, Any, Final, Self, cast

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from taximeter.yaml_numbers import ExactLoader
from taximeter_processors.model_names import ModelIndex, family_of
from taximeter_processors.price_entries import pico_per_unit
from taximeter_processors.price_faults import is_price
from taximeter_processors.price_versions import Entries
from taximeter_schemas.errors import ConfigurationError
from taximeter_schemas.fields import Name
from taximeter_schemas.records import explained

__all__ = ["OwnPrice", "own_entries", "parse_own_prices"]

_MILLION: Final = 1_000_000
_PERCENT: Final = 100
_EXACT_DIGITS: Final = 60
_TABLES: Final = (
    "search_context_cost_per_query",
    "guardrail_cost_per_unit",
    "tiered_pricing",
    "off_peak_pricing",
)
_FIELDS: Final = {
    "input_per_million": "input_cost_per_token",
    "output_per_million": "output_cost_per_token",
    "cache_read_per_million": "cache_read_input_token_cost",
}

Usd = Annotated[Decimal, Field(ge=0, max_digits=38, allow_inf_nan=False)]
Discount = Annotated[Decimal, Field(ge=0, le=_PERCENT, allow_inf_nan=False)]


class OwnPrice(BaseModel):
    """What one model costs, or what is taken off the listed prices of some.

    A price of 0 is a price. Without `model` a discount is for all of a provider's
    models that the list has.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: Name
    model: Name | None = None
    input_per_million: Usd | None = None
    output_per_million: Usd | None = None
    cache_read_per_million: Usd | None = None
    free: bool = False
    discount_percent: Discount | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        ways = [bool(self.stated()), self.free, self.discount_percent is not None]
        if sum(ways) != 1:
            raise ValueError(
                "give prices per million, or free, or discount_percent, and one of them"
            )
        if self.model is None and self.discount_percent is None:
            raise ValueError("a price is for a model: name it")
        return self

    def stated(self) -> dict[str, Decimal]:
        """Return the prices a million that are given, by their name in a list."""
        given = {key: getattr(self, name) for name, key in _FIELDS.items()}
        return {key: usd for key, usd in given.items() if usd is not None}


def parse_own_prices(text: str, file: str) -> list[OwnPrice]:
    """Return the prices of a file, in its order.

    Raises:
        ConfigurationError: names the file, each wrong entry and field, and why.
    """
    try:
        found: Any = yaml.load(text, Loader=ExactLoader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigurationError(f"{file}: not YAML: {problem}") from None
    if not isinstance(found, dict) or set(cast("dict[object, object]", found)) != {
        "prices"
    }:
        raise ConfigurationError(f"{file}: a list of prices under 'prices:' is needed")
    return _read(found["prices"], file)


def own_entries(prices: list[OwnPrice], listed: Entries) -> Entries:
    """Return own prices as entries that lie over a list; a later one wins.

    Raises:
        ConfigurationError: a discount is on what the list does not have, or an entry
            would not be found by the name that it was given.
    """
    index = ModelIndex(listed)
    entries: dict[str, Mapping[str, object]] = {}
    for price in prices:
        if price.discount_percent is not None:
            entries |= _discounted(price, price.discount_percent, listed, index)
        else:
            key = _key(price.provider, str(price.model), index)
            entries[key] = _fixed(price, listed.get(key, {}))
    _check_found(prices, {**listed, **entries}, entries)
    return entries


def _read(rows: object, file: str) -> list[OwnPrice]:
    if not isinstance(rows, list) or not rows:
        raise ConfigurationError(f"{file}: 'prices:' has no list of prices")
    prices: list[OwnPrice] = []
    faults: list[str] = []
    for number, row in enumerate(cast("list[object]", rows), start=1):
        try:
            prices.append(OwnPrice.model_validate(row))
        except ValidationError as error:
            faults.append(f"price {number}: {explained(error)}")
    if faults:
        raise ConfigurationError(f"{file}: {'; '.join(faults)}")
    return prices


def _key(provider: str, model: str, index: ModelIndex) -> str:
    """Return the entry of this very model, or the name of one for it."""
    family = family_of(provider)
    own = f"{family}/{model}"
    found = index.match(provider, model)
    # Another spelling's entry is another model's too: it keeps its price.
    return found.key if found and found.key in (model, own) else own


def _fixed(price: OwnPrice, known: Mapping[str, object]) -> Mapping[str, object]:
    stated = price.stated()
    if price.free:
        stated = dict.fromkeys(tuple(_FIELDS.values())[:2], Decimal(0))
    with localcontext(prec=_EXACT_DIGITS):
        by_token = {key: usd / _MILLION for key, usd in stated.items()}
    mode = known.get("mode", "chat")
    return {"litellm_provider": family_of(price.provider), "mode": mode, **by_token}


def _discounted(
    price: OwnPrice, percent: Decimal, listed: Entries, index: ModelIndex
) -> Entries:
    keys = _of_provider(price.provider, listed)
    if price.model is not None:
        found = index.match(price.provider, price.model)
        keys = [found.key] if found else []
    if not keys:
        raise ConfigurationError(
            f"the list has no price for {price.model or 'any model'!r} at "
            f"{price.provider!r} that a discount could be on"
        )
    left = Fraction(_PERCENT - percent) / _PERCENT
    return {key: _scaled(listed[key], left) for key in keys}


def _of_provider(provider: str, listed: Entries) -> list[str]:
    family = family_of(provider)
    return [
        key
        for key, fields in listed.items()
        if family_of(str(fields.get("litellm_provider"))) == family
    ]


def _scaled(
    fields: Mapping[str, object], by: Fraction, *, whole: bool = False
) -> dict[str, object]:
    """Return an entry with every price in it multiplied; `whole` if all are prices."""
    return {
        name: _times(value, by) if whole or is_price(name) else value
        for name, value in _inside(fields, by).items()
    }


def _inside(fields: Mapping[str, object], by: Fraction) -> dict[str, object]:
    scaled = dict(fields)
    for name in _TABLES:
        value = fields.get(name)
        whole = is_price(name)
        if isinstance(value, dict):
            scaled[name] = _scaled(cast("dict[str, object]", value), by, whole=whole)
        elif isinstance(value, list):
            scaled[name] = [
                _scaled(cast("dict[str, object]", row), by)
                if isinstance(row, dict)
                else row
                for row in cast("list[object]", value)
            ]
    return scaled


def _times(value: object, by: Fraction) -> object:
    if isinstance(value, dict) or pico_per_unit(value) is None:
        return value
    assert isinstance(value, int | str | Decimal)
    usd = Fraction(value) * by
    with localcontext(prec=_EXACT_DIGITS):
        return +(Decimal(usd.numerator) / Decimal(usd.denominator))


def _check_found(prices: list[OwnPrice], merged: Entries, own: Entries) -> None:
    index = ModelIndex(merged)
    for price in prices:
        if price.model is not None:
            found = index.match(price.provider, price.model)
            if found is None or found.key not in own:
                raise ConfigurationError(
                    f"{price.model!r} at {price.provider!r} would still be priced by "
                    f"another entry ({found!s}): name the model as its events do"
                )
