"""Every price of a list's entry times something: a discount, an exchange rate. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Final, cast

from taximeter_processors.price_entries import pico_per_unit
from taximeter_processors.price_faults import is_price

__all__ = ["scaled"]

_EXACT_DIGITS: Final = 60
_TABLES: Final = (
    "search_context_cost_per_query",
    "guardrail_cost_per_unit",
    "tiered_pricing",
    "off_peak_pricing",
)


def scaled(
    fields: Mapping[str, object], by: Fraction, *, whole: bool = False
) -> dict[str, object]:
    """Return an entry with every price in it multiplied; `whole` if all are prices.

    >>> entry = {"mode": "chat", "max_tokens": 8, "input_cost_per_token": Decimal("2")}
    >>> scaled(entry, Fraction(3, 4))
    {'mode': 'chat', 'max_tokens': 8, 'input_cost_per_token': Decimal('1.5')}
    """
    return {
        name: _times(value, by) if whole or is_price(name) else value
        for name, value in _inside(fields, by).items()
    }


def _inside(fields: Mapping[str, object], by: Fraction) -> dict[str, object]:
    inside = dict(fields)
    for name in _TABLES:
        value = fields.get(name)
        whole = is_price(name)
        if isinstance(value, dict):
            inside[name] = scaled(cast("dict[str, object]", value), by, whole=whole)
        elif isinstance(value, list):
            inside[name] = [
                scaled(cast("dict[str, object]", row), by)
                if isinstance(row, dict)
                else row
                for row in cast("list[object]", value)
            ]
    return inside


def _times(value: object, by: Fraction) -> object:
    if isinstance(value, dict) or pico_per_unit(value) is None:
        return value
    assert isinstance(value, int | str | Decimal)
    usd = Fraction(value) * by
    with localcontext(prec=_EXACT_DIGITS):
        return +(Decimal(usd.numerator) / Decimal(usd.denominator))
