"""One entry of a price list, read exactly.

Prices are decimal text in the list and fractions here: a binary float never stands
between them. Pure: it knows the list's vocabulary, not where the list came from.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final, cast

from taximeter_processors.model_names import family_of
from taximeter_processors.model_spellings import FREE
from taximeter_schemas.errors import ConfigurationError
from taximeter_schemas.money import PICO_PER_USD

__all__ = ["PriceEntry", "exact_json", "pico_per_unit", "priced_by", "refuse_floats"]

_SERVICE_TIERS: Final = {
    "batch": "batches",
    "batches": "batches",
    "flex": "flex",
    "balanced": "balanced",
    "priority": "priority",
    "fast": "priority",
    "ultrafast": "ultrafast",
    "decisions": "decisions",
}


def pico_per_unit(usd: object) -> Fraction | None:
    """Return a list's price in USD as exact pico-dollars, None where it states none.

    An explicit 0 is a price. What cannot be read as an amount, or is negative, is not.

    >>> pico_per_unit(Decimal("3E-7"))
    Fraction(300000, 1)
    >>> pico_per_unit("2.5e-6"), pico_per_unit(0), pico_per_unit(None)
    (Fraction(2500000, 1), Fraction(0, 1), None)
    >>> pico_per_unit("see website"), pico_per_unit(Decimal("-1")), pico_per_unit(True)
    (None, None, None)
    """
    if isinstance(usd, bool) or not isinstance(usd, (int, str, Decimal)):
        return None
    try:
        price = Fraction(usd) * PICO_PER_USD
    except (ValueError, OverflowError, ZeroDivisionError):
        return None
    return price if price >= 0 else None


def exact_json(text: str | bytes) -> object:
    """Read JSON whose numbers are prices: each is an int or a Decimal.

    Raises:
        ValueError: it is not JSON, is nested too deeply, or holds NaN or Infinity.

    >>> exact_json('{"input_cost_per_token": 3e-07}')
    {'input_cost_per_token': Decimal('3E-7')}
    """
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_no_number)
    except RecursionError as error:
        raise ValueError(str(error)) from None


def _no_number(text: str) -> object:
    raise ValueError(f"{text} is no number")


def refuse_floats(entries: Mapping[str, Mapping[str, object]]) -> None:
    """Raise if a binary float stands anywhere in a price list.

    Raises:
        ConfigurationError: naming the entry; parse the list with
            ``parse_float=Decimal``.
    """
    for key, fields in entries.items():
        if _holds_float(fields.values()):
            raise ConfigurationError(
                f"price list entry {key!r} holds a binary float, which cannot be an "
                "exact price: parse the list with parse_float=Decimal"
            )


def _holds_float(values: Iterable[object]) -> bool:
    for value in values:
        if isinstance(value, float):
            return True
        if isinstance(value, dict):
            if _holds_float(cast("dict[str, object]", value).values()):
                return True
        elif isinstance(value, list) and _holds_float(cast("list[object]", value)):
            return True
    return False


def priced_by(fields: Mapping[str, object], rule: str) -> Mapping[str, object]:
    """Return an entry as the rule that found it prices it: nobody pays for some.

    >>> priced_by({"mode": "chat", "input_cost_per_token": 1}, "free variant")
    {'mode': 'chat', 'input_cost_per_token': 0, 'output_cost_per_token': 0}
    """
    if rule != FREE:
        return fields
    kept = {n: fields[n] for n in ("litellm_provider", "mode") if n in fields}
    return {**kept, "input_cost_per_token": 0, "output_cost_per_token": 0}


class PriceEntry:
    """What a price list says of one model, for one service tier in one region.

    >>> entry = PriceEntry("gpt-4o", {
    ...     "litellm_provider": "openai",
    ...     "input_cost_per_token": Decimal("0.0000025"),
    ...     "input_cost_per_token_batches": Decimal("0.00000125"),
    ...     "cache_read_input_token_cost": Decimal("0.00000125"),
    ... }, service_tier="batch")
    >>> entry.price("input_cost_per_token")
    Fraction(1250000, 1)

    What the list does not state for the tier has its standard price:

    >>> entry.price("cache_read_input_token_cost")
    Fraction(1250000, 1)
    """

    def __init__(
        self,
        key: str,
        fields: Mapping[str, object],
        service_tier: str = "standard",
        region: str | None = None,
    ) -> None:
        self.key = key
        self.fields = fields
        self.family = family_of(str(fields.get("litellm_provider")))
        self.mode = fields.get("mode")
        self.region = region
        self.service_tier = service_tier.lower()
        self.suffix = _SERVICE_TIERS.get(self.service_tier, "")

    def replaced(self, fields: Mapping[str, object]) -> PriceEntry:
        """Return the same model, tier and region with other prices."""
        return PriceEntry(self.key, fields, self.service_tier, self.region)

    def price(self, name: str) -> Fraction | None:
        """Return a price in pico-dollars a unit: the tier's own, else the standard."""
        own = self.tier_price(name)
        return own if own is not None else pico_per_unit(self.fields.get(name))

    def stepped(self, name: str, passed: Sequence[str]) -> Fraction | None:
        """Return the price after the last threshold passed that states one."""
        price = self.price(name)
        for step in passed:
            above = self.price(f"{name}_above_{step}_tokens")
            if above is not None:
                price = above
        return price

    def tier_price(self, name: str) -> Fraction | None:
        """Return the price that is stated for this very service tier, or None."""
        if not self.suffix:
            return None
        return pico_per_unit(self.fields.get(f"{name}_{self.suffix}"))

    def nested_price(self, name: str, part: str) -> Fraction | None:
        """Return a price that stands in a table of its own inside the entry."""
        return pico_per_unit(self.table(name).get(part))

    def table(self, name: str) -> Mapping[str, object]:
        """Return a table inside the entry; empty where there is none."""
        value = self.fields.get(name)
        return cast("dict[str, object]", value) if isinstance(value, dict) else {}
