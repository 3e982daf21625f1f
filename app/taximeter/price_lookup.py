"""What a model costs, and how that was found, for people who ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from difflib import get_close_matches
from fractions import Fraction
from typing import Final

from taximeter_processors.ladders import price_ladder
from taximeter_processors.model_names import ModelIndex, family_of
from taximeter_processors.price_entries import PriceEntry, priced_by
from taximeter_schemas.errors import ConfigurationError
from taximeter_schemas.money import PICO_PER_USD

__all__ = ["ModelPrices", "Price", "PriceList"]

_CLOSE: Final = 5
_EXACT_DIGITS: Final = 60


@dataclass(frozen=True)
class Price:
    """The price of one unit, for requests of more than so many input tokens."""

    unit: str
    side: str
    above_input_tokens: int
    usd_per_unit: Decimal


@dataclass(frozen=True)
class ModelPrices:
    """What a model costs at one provider, and which entry of the list says so."""

    provider: str
    model: str
    price_match: str
    price_version: str
    service_tier: str
    also_at: tuple[str, ...]
    prices: tuple[Price, ...]

    @property
    def resolved(self) -> str:
        """How the entry was found, in words."""
        exact = self.price_match in (self.model, f"{self.provider}/{self.model}")
        how = "by its name" if exact else "by another spelling of it"
        return (
            f"{self.model} at {self.provider} is entry {self.price_match!r} "
            f"of {self.price_version}, found {how}"
        )


class PriceList:
    """A price list that can be asked without knowing how it spells its models."""

    def __init__(
        self, entries: Mapping[str, Mapping[str, object]], version: str
    ) -> None:
        self._entries = entries
        self._version = version
        self._index = ModelIndex(entries)

    def show(
        self, model: str, provider: str | None = None, service_tier: str = "standard"
    ) -> ModelPrices:
        """Return what a model costs.

        Args:
            model: as an event names it, or with its provider as "provider/model".
            provider: needed only where several providers sell a model of that name.
            service_tier: as an event names it.

        Raises:
            ConfigurationError: no price is known, or whose it is is open.
        """
        seller, match, others = self._resolved(model, provider)
        found = self._index.match(seller, model)
        fields = priced_by(self._entries[match], found.rule if found else "")
        entry = PriceEntry(match, fields, service_tier)
        return ModelPrices(
            provider=seller,
            model=model,
            price_match=match,
            price_version=self._version,
            service_tier=service_tier,
            also_at=others,
            prices=tuple(_prices(entry)),
        )

    def seller(self, model: str, provider: str | None = None) -> str:
        """Return whose prices a model has.

        Raises:
            ConfigurationError: no price is known, or whose it is is open.
        """
        return self._resolved(model, provider)[0]

    def _resolved(
        self, model: str, provider: str | None
    ) -> tuple[str, str, tuple[str, ...]]:
        if provider is not None:
            match = self._index.find(provider, model)
            if match is None:
                raise self._unknown(model, provider)
            return provider, match, ()
        sellers = self._sellers(model)
        own = [name for name, match in sellers.items() if match == model]
        if not sellers:
            raise self._unknown(model, None)
        if len(sellers) > 1 and not own:
            names = ", ".join(sellers)
            raise ConfigurationError(
                f"{model!r} is sold by several providers: "
                f"give --provider, one of {names}"
            )
        seller = next(iter(own or sellers))
        others = tuple(name for name in sellers if name != seller)
        return seller, sellers[seller], others

    def _sellers(self, model: str) -> dict[str, str]:
        """Return each provider that has the model, with the entry that prices it."""
        prefix, slash, rest = model.partition("/")
        if slash and (match := self._index.find(prefix, rest)):
            return {prefix: match}
        families = sorted(
            {
                family_of(str(fields["litellm_provider"]))
                for fields in self._entries.values()
                if "litellm_provider" in fields
            }
        )
        found = ((family, self._index.find(family, model)) for family in families)
        return {family: match for family, match in found if match is not None}

    def _unknown(self, model: str, provider: str | None) -> ConfigurationError:
        at = "" if provider is None else f" at {provider!r}"
        close = get_close_matches(model, self._entries, _CLOSE, 0.5)
        hint = f": close names are {', '.join(close)}" if close else ""
        return ConfigurationError(f"no price is known for {model!r}{at}{hint}")


def _prices(entry: PriceEntry) -> Iterator[Price]:
    stated: dict[str, Fraction] = {}
    for above, card in price_ladder(entry):
        for side, rates in (("input", card.inputs), ("output", card.outputs)):
            for unit, pico in rates.items():
                if stated.get(unit) != pico:  # a step says only what it changes
                    stated[unit] = pico
                    yield Price(unit, side, max(above, 0), _usd(pico))


def _usd(pico: Fraction) -> Decimal:
    """Return pico-dollars as dollars, digit by digit.

    >>> f"{_usd(Fraction(2500000)):f}"
    '0.0000025'
    """
    with localcontext(prec=_EXACT_DIGITS):
        usd: Decimal = (
            Decimal(pico.numerator) / Decimal(pico.denominator) / PICO_PER_USD
        )
    return usd
