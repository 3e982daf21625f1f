"""`llm costs pricing` and `update-pricing`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import click
from pydantic import ValidationError

from taximeter.cli.output import Format, write_object, write_rows
from taximeter.llm_costs.commands.asked import (
    Meant,
    chosen_format,
    format_option,
    meant_options,
    opened,
)
from taximeter.llm_costs.config import read_config
from taximeter.llm_costs.home import Home
from taximeter.llm_costs.kept_prices import keep_prices, price_books
from taximeter.llm_costs.logged_events import sold_as
from taximeter.llm_costs.newer_prices import PUBLISHED, newer_list
from taximeter.logs import say
from taximeter.own_prices import OwnFile, OwnPrice, row_fault
from taximeter.price_changes import PriceChange, telling
from taximeter.price_lookup import ModelPrices, PriceList
from taximeter.price_publishing import own_versions
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.errors import ConfigurationError

__all__ = ["pricing", "update_pricing"]

_MILLION: Final = 1_000_000
_SHOWN: Final = (
    "model",
    "provider",
    "input_per_million",
    "output_per_million",
    "source",
    "price_version",
)


@click.command()
@meant_options
@click.option("--missing", is_flag=True, help="The calls that have no price.")
@format_option
def pricing(meant: Meant, output: Format | None, *, missing: bool) -> None:
    """Show what the tool's models cost, in USD a million tokens; or one, in full."""
    form = chosen_format(meant, output)
    if missing:
        _write_missing(meant, form)
        return
    prices = PriceList(price_books(meant.home).book_at(meant.now))
    named = meant.only.get("model", ())
    if named:
        _write_in_full([_shown(prices, name) for name in named], form)
        return
    rows = [_row(prices, name) for name in _models()]
    write_rows(rows, form, _SHOWN)
    open_ = sum(row["input_per_million"] is None for row in rows)
    if open_:
        say(f"{open_} models have no known price: 'llm costs update-pricing' sets one")


def _write_missing(meant: Meant, form: Format) -> None:
    with opened(meant) as ledger:
        found = ledger.unpriced()
    write_rows(found.named(), form, found.columns)
    say(
        "'llm costs update-pricing --model PROVIDER/MODEL --manual' states a price, "
        "from now on"
        if found.rows
        else "every call has a price"
    )


def _models() -> list[str]:
    import llm  # noqa: PLC0415

    return sorted({str(model.model_id) for model in llm.get_models()})


def _shown(prices: PriceList, name: str) -> ModelPrices:
    provider, model = sold_as(name)
    return prices.show(model, None if provider == "unknown" else provider)


def _row(prices: PriceList, name: str) -> dict[str, Any]:
    try:
        found = _shown(prices, name)
    except ConfigurationError:
        return {"model": name, "provider": sold_as(name)[0]} | dict.fromkeys(_SHOWN[2:])
    return {
        "model": name,
        "provider": found.provider,
        "input_per_million": _per_million(found, "text_input_tokens"),
        "output_per_million": _per_million(found, "text_output_tokens"),
        "source": "own" if found.stated else "list",
        "price_version": found.price_version,
    }


def _per_million(found: ModelPrices, unit: str) -> Decimal | None:
    exact = (
        price.usd_per_unit * _MILLION
        for price in found.prices
        if price.unit == unit and not price.above_input_tokens
    )
    return next((price.normalize() + Decimal("0.00") for price in exact), None)


def _write_in_full(found: list[ModelPrices], form: Format) -> None:
    if form == "json":
        write_object(
            {
                one.model: {
                    "provider": one.provider,
                    "price_version": one.price_version,
                    "resolved": one.resolved,
                    "prices": [vars(price) for price in one.prices],
                }
                for one in found
            }
        )
        return
    rows = [
        {"model": one.model, **vars(price)} for one in found for price in one.prices
    ]
    write_rows(rows, form)
    for one in found:
        say(one.resolved)


@click.command("update-pricing")
@click.option("--from-api", is_flag=True, help="The list that is published now.")
@click.option("--from", "source", metavar="FILE|URL|installed", help="Or another one.")
@click.option("--model", metavar="PROVIDER/MODEL", help="Only of this model.")
@click.option("--manual", is_flag=True, help="State a price; asks where none is given.")
@click.option("--input-per-million", metavar="USD")
@click.option("--output-per-million", metavar="USD")
@click.option("--free", is_flag=True, help="It costs 0, which is a price.")
@click.option("--dry-run", is_flag=True, help="Show what changes; change nothing.")
def update_pricing(
    source: str | None,
    model: str | None,
    *,
    from_api: bool,
    manual: bool,
    dry_run: bool,
    **stated: Any,  # noqa: ANN401 - a price
) -> None:
    """Take over a newer price list, or state what a model costs, from now on.

    What calls have cost so far stays as it was charged.
    """
    home, now = Home.of_tool(), SystemClock().now()
    given = {name: value for name, value in stated.items() if value}
    if manual or given:
        _state(home, model, given, now)
        return
    published = read_config(home).prices.source or PUBLISHED
    origin = source or (published if from_api else "installed")
    version, changes = newer_list(price_books(home), origin, now, model)
    _write_changes(changes)
    if not version.entries:
        say(f"nothing has changed since {version.base}")
    elif not dry_run:
        keep_prices(home, [version])
        say(f"{version.price_version} is in force from now on")


def _write_changes(changes: Iterable[PriceChange]) -> None:
    rows = [change._asdict() for change in telling(changes)]
    if rows:
        write_rows(rows, "table", PriceChange._fields)


def _state(home: Home, model: str | None, given: dict[str, Any], now: datetime) -> None:
    if model is None:
        raise ConfigurationError("a price is for a model: give --model PROVIDER/MODEL")
    provider, name = sold_as(model)
    if not given:
        for field in ("input_per_million", "output_per_million"):
            words = f"{field.replace('_', ' ')} tokens, in USD"
            given[field] = click.prompt(words, err=True)
    try:
        price = OwnPrice.model_validate({"provider": provider, "model": name, **given})
    except ValidationError as error:
        raise ConfigurationError(row_fault(error)) from None
    versions = own_versions(price_books(home), OwnFile([price]), "llm costs", now)
    keep_prices(home, versions)
    say(f"{name} at {provider} has this price from now on; calls so far keep theirs")
