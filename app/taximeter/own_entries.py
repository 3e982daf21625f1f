"""What somebody states, as what lies over a list from a moment on.

Pure. Whatever would not do what it says is a fault, and one fault refuses it all.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Final

from taximeter.exchange_rates import USD
from taximeter.own_faults import Numbered, own_faults
from taximeter.own_fields import counts_for_nothing, fixed_prices, free_prices
from taximeter.own_prices import OwnFile, OwnPrice
from taximeter.own_scaling import scaled
from taximeter_processors.model_names import ModelIndex, family_of
from taximeter_processors.own_layer import Changes, Entries, MarkedUp, OwnLayer
from taximeter_processors.price_choice import PriceChoice
from taximeter_processors.scopes import EVERYBODY, Scope
from taximeter_schemas.errors import ConfigurationError

__all__ = ["own_layer"]

_PERCENT: Final = 100

Entry = Mapping[str, object]
Laid = dict[Scope, dict[str, Entry | None]]


def own_layer(
    own: OwnFile,
    listed: Entries,
    known: OwnLayer,
    moment: datetime,
    currencies: Container[str] | None = None,
) -> OwnLayer:
    """Return what lies over the list from a moment on.

    Args:
        own: what is stated.
        listed: the list in force then.
        known: what lies over it until then.
        moment: decides which exchange rates hold.
        currencies: only the prices in these, because their rates change; else all.

    Raises:
        ConfigurationError: names each price that would not do what it says.
    """
    whole = _Laying(own, listed, known, moment)
    if whole.faults:
        raise ConfigurationError("; ".join(whole.faults))
    if currencies is None:
        return whole.layer
    some = [price for price in own.prices if price.currency in currencies]
    return _Laying(OwnFile(some, rates=own.rates), listed, known, moment).layer


class _Laying:
    """Lays one file over a list; `faults` are in the file's order."""

    def __init__(
        self, own: OwnFile, listed: Entries, known: OwnLayer, moment: datetime
    ) -> None:
        self.faults: list[str] = []
        self._listed, self._known = listed, known
        self._rates, self._moment = own.rates, moment
        self._index = ModelIndex(listed)
        self._laid: Laid = {}
        self._of_models: set[tuple[Scope, str]] = set()
        laid = [one for one in enumerate(own.prices, start=1) if self._is_laid(one)]
        self.layer = OwnLayer(
            self._laid.pop(EVERYBODY, {}),
            self._laid,
            {_marked_up(one): _factor(one) for one in own.prices if one.for_markups},
            own.aliases,
        )
        choice = PriceChoice(listed, self.layer.over(known))
        self.faults += own_faults(laid, self.layer, choice)

    def _is_laid(self, numbered: Numbered) -> bool:
        number, price = numbered
        try:
            self._lay(price)
        except ConfigurationError as error:
            self.faults.append(f"price {number}: {error}")
            return False
        return True

    def _lay(self, price: OwnPrice) -> None:
        if price.for_markups:
            return
        laid, entries = self._laid.setdefault(price.scope, {}), self._entries(price)
        ours = {(price.scope, key) for key in entries}
        if price.model is None:
            # A model's own price wins over its provider's, wherever they stand.
            ours -= self._of_models
        elif ours & self._of_models:
            raise ConfigurationError("the same calls have a price above it")
        else:
            self._of_models |= ours
        laid |= {
            key: fields for key, fields in entries.items() if (price.scope, key) in ours
        }

    def _entries(self, price: OwnPrice) -> Changes:
        if price.remove:
            return dict.fromkeys(self._removed(price))
        if price.discount_percent is not None:
            return self._discounted(price, price.discount_percent)
        key = _key(price.provider or "", price.model or "", self._index)
        return {key: self._fixed(price, key)}

    def _fixed(self, price: OwnPrice, key: str) -> Entry:
        prices = fixed_prices(price.prices, price.gpus)
        if price.free:
            prices = free_prices()
        stated = price.stated()
        if price.currency != USD:
            rate = self._rates.at(price.currency, self._moment)
            prices = scaled(prices, Fraction(rate.usd))
            stated |= {"currency": price.currency, "usd_per_unit": rate.usd}
            stated |= {"rate_from": f"{rate.starts_at:%Y-%m-%dT%H:%MZ}"}
        mode = self._listed.get(key, {}).get("mode", "chat")
        if "gpu_second" in price.prices:
            mode = "chat"  # time is no price of a second of sound or film
        family = family_of(price.provider or "")
        entry: Entry = {"litellm_provider": family, "mode": mode, **prices}
        if counts_for_nothing(key, entry):
            raise ConfigurationError("nothing that a call can use has a price here")
        return {**entry, "stated": stated}

    def _discounted(self, price: OwnPrice, percent: Decimal) -> Changes:
        keys = self._of_provider(price.provider or "", self._listed)
        if price.model is not None:
            found = self._index.match(price.provider or "", price.model)
            keys = [found.key] if found else []
        if not keys:
            raise ConfigurationError(
                f"the list has no price for {price.model or 'any model'!r} at "
                f"{price.provider!r} that a discount could be on"
            )
        left = Fraction(_PERCENT - percent) / _PERCENT
        stated = {"stated": price.stated()}
        return {key: scaled(self._listed[key], left) | stated for key in keys}

    def _removed(self, price: OwnPrice) -> list[str]:
        known = self._known.scoped.get(price.scope, {})
        if price.scope == EVERYBODY:
            known = self._known.entries
        stated = {key: fields for key, fields in known.items() if fields is not None}
        keys = self._of_provider(price.provider or "", stated)
        if price.model is not None:
            index = ModelIndex(stated, below=self._index)
            found = index.match(price.provider or "", price.model)
            keys = [found.key] if found and found.key in stated else []
        if not keys:
            raise ConfigurationError(
                f"there is no price of your own for {price.model or 'any model'!r} at "
                f"{price.provider!r}, for {price.scope!s}"
            )
        return keys

    def _of_provider(self, provider: str, entries: Entries) -> list[str]:
        family = family_of(provider)
        return [
            key
            for key, fields in entries.items()
            if family_of(str(fields.get("litellm_provider"))) == family
        ]


def _key(provider: str, model: str, index: ModelIndex) -> str:
    """Return the entry of this very model, or the name of one for it."""
    family = family_of(provider)
    own = f"{family}/{model}"
    found = index.match(provider, model)
    # Another spelling's entry is another model's too: it keeps its price.
    return found.key if found and found.key in (model, own) else own


def _marked_up(price: OwnPrice) -> MarkedUp:
    return MarkedUp(price.scope, price.provider, price.model)


def _factor(price: OwnPrice) -> Fraction | None:
    if price.markup_percent is None:
        return None
    return 1 + Fraction(price.markup_percent) / _PERCENT
