"""`taximeter prices`: what a model costs, what has no price, new prices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Final

import click

from taximeter.cli.options import Format, data_option, format_option, tag_option
from taximeter.cli.output import write_object, write_rows
from taximeter.cli.own_prices import alias, import_, set_
from taximeter.cli.price_versions import update
from taximeter.cli.prices_in_force import prices_in_force
from taximeter.cli.where import Where, where_options
from taximeter.logs import say
from taximeter.price_lookup import ModelPrices, Price, PriceList
from taximeter.reading import open_ledger
from taximeter.state import DataDir
from taximeter_schemas.usage import UNATTRIBUTED

__all__ = ["command"]

_MILLION: Final = 1_000_000


@click.group()
def command() -> None:
    """Show what a model costs and what has no price; change prices."""


for _version in (update, set_, import_, alias):
    command.add_command(_version)


@command.command("show")
@click.argument("model")
@click.option("--provider", help="Where several sell a model of that name.")
@click.option("--service-tier", default="standard", show_default=True, metavar="TIER")
@click.option("--project", help="For a call of this project.")
@tag_option
@where_options
@format_option
def show(
    where: Where,
    model: str,
    provider: str | None,
    service_tier: str,
    project: str | None,
    tags: dict[str, str],
    output: Format,
) -> None:
    """Show the prices that a call of MODEL is charged with, and where they are from.

    Without a broker these are the prices of the installed list. For people tokens are
    priced by the million; as JSON and CSV each price is exact, for one unit.
    """
    whose = project or UNATTRIBUTED, tags
    prices = PriceList(prices_in_force(where))
    found = prices.show(model, provider, service_tier, *whose)
    if output == "json":
        write_object(_as_object(found))
        return
    if output == "csv":
        write_rows([vars(price) for price in found.prices], output)
        return
    rows = [_for_people(price) for price in _telling(found.prices)]
    write_rows(rows, output, title=f"{found.model} at {found.provider}")
    say("tokens of other kinds are priced like text")
    for line in (found.resolved, *found.why):
        say(line)
    if found.also_at:
        say(f"also sold by {', '.join(found.also_at)}: give --provider")


@command.command("missing")
@data_option
@format_option
def missing(data: Path, output: Format) -> None:
    """Show the calls in the ledger that have no price, by model and reason."""
    with open_ledger(DataDir(data)) as ledger:
        found = ledger.unpriced()
    rows = found.named()
    write_rows(rows, output, found.columns, "Without a price")
    if not rows:
        say("every call has a price")
        return
    say(
        "these calls are in no sum. 'taximeter prices set MODEL --provider P "
        "--input-per-million X --output-per-million Y' gives calls from then on a "
        "price, and 'taximeter reprice' those before; 'taximeter prices show MODEL' "
        "tells which names come close"
    )


def _as_object(found: ModelPrices) -> dict[str, object]:
    prices = [vars(price) | {"usd_per_unit": _exact(price)} for price in found.prices]
    return {
        "model": found.model,
        "provider": found.provider,
        "service_tier": found.service_tier,
        "price_match": found.price_match,
        "price_version": found.price_version,
        "rule": found.rule,
        "scope": found.scope,
        "stated": {name: str(value) for name, value in found.stated.items()},
        "markup_percent": found.markup_percent,
        "marked_up": found.marked_up,
        "resolved": found.resolved,
        "also_at": found.also_at,
        "prices": prices,
    }


def _telling(prices: Iterable[Price]) -> Iterator[Price]:
    """Yield the prices that are not those of text, and text's own."""
    of_text: dict[str, Decimal] = {}
    for price in prices:
        if price.unit in ("text_input_tokens", "text_output_tokens"):
            of_text[price.side] = price.usd_per_unit
        elif price.usd_per_unit == of_text.get(price.side):
            continue
        yield price


def _exact(price: Price) -> str:
    return f"{price.usd_per_unit:f}"


def _for_people(price: Price) -> dict[str, object]:
    by_million = price.unit.endswith("_tokens")
    usd = (price.usd_per_unit * (_MILLION if by_million else 1)).normalize()
    return {
        "unit": f"1M {price.unit}" if by_million else price.unit,
        "side": price.side,
        "above input tokens": price.above_input_tokens or None,
        "USD": _at_least_cents(usd),
    }


def _at_least_cents(usd: Decimal) -> Decimal:
    """Return an amount with two places or, where that is not all of it, as it is.

    >>> _at_least_cents(Decimal("2.5")), _at_least_cents(Decimal("0.125"))
    (Decimal('2.50'), Decimal('0.125'))
    """
    cents = round(usd, 2)
    return cents if cents == usd else usd
