"""What other currencies are worth in US dollars, from which day on. Pure.

Its user supplies the rates: nothing is looked up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple, cast

from taximeter.moments import parse_moment
from taximeter_processors.price_entries import pico_per_unit
from taximeter_schemas.errors import ConfigurationError

__all__ = ["USD", "ExchangeRates", "Rate"]

USD: Final = "USD"


class Rate(NamedTuple):
    """So many US dollars for one unit of a currency, from a moment on."""

    starts_at: datetime
    usd: Decimal


class ExchangeRates:
    """Dated rates of some currencies.

    >>> rates = ExchangeRates.read({"EUR": {"2026-11-01": "1.085", "2026-12-01": 1}})
    >>> rates.at("EUR", parse_moment("2026-11-30")).usd
    Decimal('1.085')
    >>> [str(moment.date()) for moment in rates.starts_after(
    ...     parse_moment("2026-11-30"), ["EUR"])]
    ['2026-12-01']
    """

    def __init__(self, rates: Mapping[str, Iterable[Rate]]) -> None:
        self._rates = {name: sorted(dated) for name, dated in rates.items()}

    @classmethod
    def read(cls, stated: object) -> ExchangeRates:
        """Return the rates of a file: for each currency its dates and rates.

        Raises:
            ConfigurationError: names each currency and date that is wrong.
        """
        if not isinstance(stated, dict):
            raise ConfigurationError("currencies: is no table of currencies")
        rates: dict[str, list[Rate]] = {}
        faults: list[str] = []
        for name, dated in cast("dict[object, object]", stated).items():
            try:
                rates[str(name)] = _dated(dated)
            except ConfigurationError as error:
                faults.append(f"currencies: {name}: {error}")
        if faults:
            raise ConfigurationError("; ".join(faults))
        return cls(rates)

    def at(self, currency: str, moment: datetime) -> Rate:
        """Return the rate that holds at a moment.

        Raises:
            ConfigurationError: there is none.
        """
        dated = self._rates.get(currency, [])
        holding = [rate for rate in dated if rate.starts_at <= moment]
        if holding:
            return holding[-1]
        known = f"the first is of {dated[0].starts_at:%Y-%m-%d}" if dated else "none"
        raise ConfigurationError(
            f"no rate of {currency} in USD holds on {moment:%Y-%m-%d} ({known}): "
            "state one under 'currencies:'"
        )

    def starts_after(
        self, moment: datetime, currencies: Iterable[str]
    ) -> list[datetime]:
        """Return the moments behind this one at which one of these rates begins."""
        starts = {
            rate.starts_at
            for name in currencies
            for rate in self._rates.get(name, [])
            if rate.starts_at > moment
        }
        return sorted(starts)

    def changed_at(self, moment: datetime) -> set[str]:
        """Return the currencies of which a rate begins at this very moment."""
        return {
            name
            for name, dated in self._rates.items()
            if any(rate.starts_at == moment for rate in dated)
        }


def _dated(stated: object) -> list[Rate]:
    if not isinstance(stated, dict) or not stated:
        raise ConfigurationError("give a date and a rate, as in {2026-12-01: 1.08}")
    dated = cast("dict[object, object]", stated)
    return [Rate(parse_moment(str(day)), _rate(usd)) for day, usd in dated.items()]


def _rate(stated: object) -> Decimal:
    if isinstance(stated, float) or not pico_per_unit(stated):
        raise ConfigurationError(f"{str(stated)[:80]!r} is no rate above 0")
    return Decimal(str(stated))
