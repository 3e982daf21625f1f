"""What a model costs, and how that was found, for people who ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from difflib import get_close_matches
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from taximeter_processors.ladders import Ladder, marked_up, price_ladder
from taximeter_processors.price_entries import PriceEntry
from taximeter_processors.pricing import PriceBook
from taximeter_schemas.errors import ConfigurationError
from taximeter_schemas.money import PICO_PER_USD
from taximeter_schemas.usage import UNATTRIBUTED

__all__ = ["ModelPrices", "Price", "PriceList"]

_CLOSE: Final = 5
_EXACT_DIGITS: Final = 60
_PERCENT: Final = 100


@dataclass(frozen=True)
class Price:
    """The price of one unit, for requests of more than so many input tokens."""

    unit: str
    side: str
    above_input_tokens: int
    usd_per_unit: Decimal


@dataclass(frozen=True)
class ModelPrices:
    """What a model costs at one provider, and which entry says so to whom.

    Attributes:
        rule: by what the entry was found; empty for its own name.
        scope: for whom the price is.
        stated: how a price of one's own was stated; empty for the list's.
        markup_percent: what comes on top of it.
        marked_up: for whom and on what that is.
    """

    provider: str
    model: str
    price_match: str
    rule: str
    price_version: str
    service_tier: str
    scope: str
    stated: Mapping[str, object]
    markup_percent: Decimal | None
    marked_up: str
    also_at: tuple[str, ...]
    prices: tuple[Price, ...]

    @property
    def resolved(self) -> str:
        """How the entry was found, in words."""
        exact = self.price_match in (self.model, f"{self.provider}/{self.model}")
        how = "by its name" if exact else "by another spelling of it"
        if self.rule and not exact:
            how = f"by the rule {self.rule!r}"
        return (
            f"{self.model} at {self.provider} is entry {self.price_match!r} "
            f"of {self.price_version}, found {how}"
        )

    @property
    def why(self) -> list[str]:
        """Why this price and no other, in words."""
        told: list[str] = []
        if self.stated:
            stated = ", ".join(f"{name} {value}" for name, value in self.stated.items())
            told.append(f"it is a price of your own, for {self.scope}: {stated}")
        if self.markup_percent is not None:
            on_top = f"{self.markup_percent.normalize():f} percent"
            told.append(f"marked up by {on_top}, for {self.marked_up}")
        return told


class PriceList:
    """Prices that can be asked without knowing how the list spells its models."""

    def __init__(self, book: PriceBook) -> None:
        self._book = book
        self._choice = book.choice
        self._index = book.choice.index

    def show(
        self,
        model: str,
        provider: str | None = None,
        service_tier: str = "standard",
        project_id: str = UNATTRIBUTED,
        tags: Mapping[str, str] = MappingProxyType({}),
    ) -> ModelPrices:
        """Return what a model costs.

        Args:
            model: as an event names it, or with its provider as "provider/model".
            provider: needed only where several providers sell a model of that name.
            service_tier: as an event names it.
            project_id: for whose calls.
            tags: for calls that have these.

        Raises:
            ConfigurationError: no price is known, or whose it is is open.
        """
        seller, others = self._resolved(model, provider)
        scopes = self._choice.scopes_of(seller, model).covering(project_id, tags)
        chosen = self._choice.choose(seller, model, None, scopes)
        if chosen is None:
            raise self._unknown(model, seller)
        entry = PriceEntry(chosen.match.key, chosen.fields, service_tier)
        marked = chosen.marked_up
        return ModelPrices(
            provider=seller,
            model=model,
            price_match=chosen.match.key,
            rule=chosen.match.rule,
            price_version=self._book.version,
            service_tier=service_tier,
            scope=str(chosen.scope),
            stated=chosen.stated,
            markup_percent=_percent(chosen.factor) if marked else None,
            marked_up=str(marked) if marked else "",
            also_at=others,
            prices=tuple(_prices(marked_up(price_ladder(entry), chosen.factor))),
        )

    def seller(self, model: str, provider: str | None = None) -> str:
        """Return whose prices a model has.

        Raises:
            ConfigurationError: no price is known, or whose it is is open.
        """
        return self._resolved(model, provider)[0]

    def _resolved(
        self, model: str, provider: str | None
    ) -> tuple[str, tuple[str, ...]]:
        if provider is not None:
            if not self.finds(provider, model):
                raise self._unknown(model, provider)
            return provider, ()
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
        return seller, tuple(name for name in sellers if name != seller)

    def finds(self, provider: str, model: str) -> str | None:
        """Return an entry that prices some calls of a model, for whomever."""
        found = self._index.find(provider, model)
        if found is not None:
            return found
        scopes = tuple(self._choice.scopes_of(provider, model))
        chosen = self._choice.choose(provider, model, None, scopes)
        return None if chosen is None else chosen.match.key

    def _sellers(self, model: str) -> dict[str, str]:
        """Return each provider that has the model, with the entry that prices it."""
        prefix, slash, rest = model.partition("/")
        if slash and (match := self.finds(prefix, rest)):
            return {prefix: match}
        families = sorted({family for _, family in self._choice.sold})
        found = ((family, self.finds(family, model)) for family in families)
        return {family: match for family, match in found if match is not None}

    def _unknown(self, model: str, provider: str | None) -> ConfigurationError:
        at = "" if provider is None else f" at {provider!r}"
        names = [key for key, _ in self._choice.sold]
        close = get_close_matches(model, names, _CLOSE, 0.5)
        hint = f": close names are {', '.join(close)}" if close else ""
        return ConfigurationError(f"no price is known for {model!r}{at}{hint}")


def _prices(ladder: Ladder) -> Iterator[Price]:
    stated: dict[str, Fraction] = {}
    for above, card in ladder:
        for side, rates in (("input", card.inputs), ("output", card.outputs)):
            for unit, pico in rates.items():
                if stated.get(unit) != pico:  # a step says only what it changes
                    stated[unit] = pico
                    yield Price(unit, side, max(above, 0), _usd(pico))


def _percent(factor: Fraction) -> Decimal:
    times = (factor - 1) * _PERCENT
    with localcontext(prec=_EXACT_DIGITS):
        percent: Decimal = Decimal(times.numerator) / Decimal(times.denominator)
    return percent


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
