"""Prices of your own, as people state them in a file or on a command line.

Pure: it knows no Kafka and no list. docs/pricing.md has the format of the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, Self, cast

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from taximeter.exchange_rates import USD, ExchangeRates
from taximeter.own_fields import NAMES, fixed_faults
from taximeter.yaml_numbers import ExactLoader
from taximeter_processors.scopes import Scope, scope_of
from taximeter_schemas.errors import ConfigurationError
from taximeter_schemas.fields import Name, Tags
from taximeter_schemas.records import explained

__all__ = ["OwnFile", "OwnPrice", "parse_own_prices", "row_fault"]

_ALL: Final = 100
_MOST: Final = 1_000_000
_SECTIONS: Final = {"prices", "aliases", "currencies"}
_WAYS: Final = "prices, free, discount_percent, markup_percent or remove"

Usd = Annotated[Decimal, Field(ge=0, max_digits=38, allow_inf_nan=False)]
Discount = Annotated[Decimal, Field(ge=0, le=_ALL, allow_inf_nan=False)]
Percent = Annotated[
    Decimal, Field(ge=-_ALL, le=_MOST, max_digits=20, allow_inf_nan=False)
]
Currency = Annotated[str, Field(pattern="^[A-Z]{3}$")]

_amount: Final = TypeAdapter[Decimal](Usd)


class OwnPrice(BaseModel):
    """What calls cost: of which model, for whom, and in one of five ways.

    `prices` are fixed prices by the names of `own_fields` or of a list; a row states
    them beside its other fields. A price of 0 is a price. Without `model` a discount
    is for all of a provider's models that the list has, a mark-up for whatever the
    provider sells, or without `provider` for everything.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: Name | None = None
    model: Name | None = None
    project: Name | None = None
    tag: Tags = Field(default_factory=dict)
    currency: Currency = USD
    gpus: Annotated[int, Field(ge=1, le=_MOST)] = 1
    prices: Mapping[str, Any] = Field(default_factory=dict[str, Any])
    free: bool = False
    discount_percent: Discount | None = None
    markup_percent: Percent | None = None
    remove: Literal["price", "markup"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _gathered(cls, row: Any) -> Any:  # noqa: ANN401 - whatever a file says
        if not isinstance(row, dict):
            raise ValueError("is no table of fields")  # noqa: TRY004 - a validator's
        stated = {str(k): v for k, v in cast("dict[object, Any]", row).items()}
        own = {name: stated.pop(name) for name in _OTHERS & stated.keys()}
        return {**own, "prices": _read_prices(stated)}

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        ways = (self.prices, self.free, self.remove)
        percents = (self.discount_percent, self.markup_percent)
        given = [*map(bool, ways), *(percent is not None for percent in percents)]
        if sum(given) != 1:
            raise ValueError(f"give {_WAYS}, and one of them")
        self._check_whose()
        if not self.prices and self.currency != USD:
            raise ValueError("currency is for prices: a percentage has none")
        if self.gpus != 1 and "gpu_second" not in self.prices:
            raise ValueError("gpus is for gpu_second")
        return self

    def _check_whose(self) -> None:
        if self.provider is None and (self.model is not None or not self.for_markups):
            raise ValueError("provider is missing: name it as events do")
        if self.model is None and (self.prices or self.free):
            raise ValueError("a price is for a model: name it")

    @property
    def for_markups(self) -> bool:
        """Whether it is about what comes on top of prices, not about a price."""
        return self.markup_percent is not None or self.remove == "markup"

    @property
    def scope(self) -> Scope:
        """For whose calls it is."""
        return scope_of(self.project, self.tag)

    def stated(self) -> dict[str, object]:
        """Return how it was stated, for whoever asks where a price is from."""
        told: dict[str, object] = dict(self.prices)
        if self.gpus != 1:
            told["gpus"] = self.gpus
        if self.free:
            told["free"] = True
        if self.discount_percent is not None:
            told["discount_percent"] = self.discount_percent
        return told


_OTHERS: Final = OwnPrice.model_fields.keys() - {"prices"}


@dataclass(frozen=True)
class OwnFile:
    """All that somebody states at once."""

    prices: list[OwnPrice]
    aliases: Mapping[str, str | None] = field(default_factory=dict[str, str | None])
    rates: ExchangeRates = field(default_factory=lambda: ExchangeRates({}))

    @property
    def currencies(self) -> set[str]:
        """The currencies in which prices stand, but for US dollars."""
        return {price.currency for price in self.prices} - {USD}


def parse_own_prices(text: str, file: str) -> OwnFile:
    """Return what a file states, in its order.

    Raises:
        ConfigurationError: names the file, each wrong entry and field, and why.
    """
    try:
        found: Any = yaml.load(text, Loader=ExactLoader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigurationError(f"{file}: not YAML: {problem}") from None
    sections = cast("dict[str, object]", found) if isinstance(found, dict) else {}
    unknown = [str(name) for name in sections if name not in _SECTIONS]
    if unknown or not sections.keys() & {"prices", "aliases"}:
        raise ConfigurationError(
            f"{file}: a list of prices under 'prices:' is needed, or names under "
            f"'aliases:'{_beside(unknown)}"
        )
    own, faults = _read(sections)
    if faults:
        raise ConfigurationError(f"{file}: {'; '.join(faults)}")
    return own


def row_fault(error: ValidationError) -> str:
    """Return what is wrong with a row, in one line."""
    return explained(error).replace("event: Value error, ", "")


def _beside(unknown: list[str]) -> str:
    return f"; {', '.join(unknown)[:80]} is no part of the file" if unknown else ""


def _read(sections: Mapping[str, object]) -> tuple[OwnFile, list[str]]:
    faults: list[str] = []
    prices: list[OwnPrice] = []
    rows = sections.get("prices", [])
    if not isinstance(rows, list) or ("prices" in sections and not rows):
        faults.append("'prices:' has no list of prices")
        rows = []
    for number, row in enumerate(cast("list[object]", rows), start=1):
        try:
            prices.append(OwnPrice.model_validate(row))
        except ValidationError as error:
            faults.append(f"price {number}: {row_fault(error)}")
    aliases = _read_aliases(sections.get("aliases", {}), faults)
    return OwnFile(prices, aliases, _read_rates(sections, faults)), faults


def _read_aliases(stated: object, faults: list[str]) -> dict[str, str | None]:
    try:
        return _aliases.validate_python(stated)
    except ValidationError as error:
        faults.append(f"aliases: {explained(error)}")
        return {}


def _read_rates(sections: Mapping[str, object], faults: list[str]) -> ExchangeRates:
    try:
        return ExchangeRates.read(sections.get("currencies", {}))
    except ConfigurationError as error:
        faults.append(str(error))
        return ExchangeRates({})


_aliases: Final = TypeAdapter(dict[Name, Name | None])


def _read_prices(stated: Mapping[str, Any]) -> dict[str, Any]:
    """Return prices as amounts; what is not written is not stated.

    Raises:
        ValueError: names each that is wrong.
    """
    given = {name: value for name, value in stated.items() if value is not None}
    faults = list(fixed_faults(given))
    for name in given.keys() & set(NAMES):
        try:
            given[name] = _amount.validate_python(given[name])
        except ValidationError as error:
            faults.append(f"{name}: {error.errors()[0]['msg']}")
    if faults:
        raise ValueError("; ".join(sorted(faults)))
    return given
