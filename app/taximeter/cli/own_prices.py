"""`taximeter prices set`, `import` and `alias`: prices and names of your own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import click
from pydantic import ValidationError

from taximeter.cli.options import Format, format_option, tag_option
from taximeter.cli.output import write_object
from taximeter.cli.price_publication import (
    as_objects,
    from_option,
    moment_of,
    publish,
    tell,
    told,
    write_changes,
)
from taximeter.cli.where import Where, where_options
from taximeter.exchange_rates import USD, ExchangeRates
from taximeter.logs import say
from taximeter.own_changes import changed_again, own_changes, told_beside
from taximeter.own_prices import OwnFile, OwnPrice, parse_own_prices, row_fault
from taximeter.price_publishing import own_versions, published_books
from taximeter_processors.own_layer import own_layer_of
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.errors import ConfigurationError

__all__ = ["alias", "import_", "set_"]


@click.command("set")
@click.argument("model", required=False)
@click.option("--provider", help="As events name it.")
@click.option("--project", help="For this project's calls only.")
@tag_option
@click.option("--input-per-million", metavar="USD")
@click.option("--output-per-million", metavar="USD")
@click.option(
    "--cache-read-per-million",
    metavar="USD",
    help="Without it cached tokens cost what input costs.",
)
@click.option(
    "--price",
    "others",
    multiple=True,
    metavar="NAME=USD",
    help="Any other price, as a file names it: --price per_page=0.001.",
)
@click.option("--gpus", type=int, metavar="N", help="With --price gpu_second=USD.")
@click.option("--free", is_flag=True, help="It costs 0, which is a price.")
@click.option("--discount-percent", metavar="N", help="Off the list's prices.")
@click.option("--markup-percent", metavar="N", help="On top of whatever price applies.")
@click.option("--remove", type=click.Choice(["price", "markup"]), help="Take it away.")
@click.option("--currency", metavar="CODE", help="In which the prices stand.")
@click.option("--rate", metavar="USD", help="What one unit of the currency is worth.")
@from_option
@where_options
@format_option
def set_(
    where: Where,
    start: str | None,
    output: Format,
    others: tuple[str, ...],
    rate: str | None,
    tags: dict[str, str],
    **given: Any,  # noqa: ANN401 - the fields of `OwnPrice`
) -> None:
    """Set a price of your own for MODEL, in US dollars: a million tokens, or one unit.

    It takes the place of all that the list says of the model, from now on unless
    --effective-from says otherwise. Percentages may be for a whole provider.
    """
    effective_from = moment_of(start, SystemClock().now())
    fields = {name: value for name, value in given.items() if value}
    try:
        price = OwnPrice.model_validate(fields | _named(others) | {"tag": tags})
    except ValidationError as error:
        raise ConfigurationError(row_fault(error)) from None
    rates = _rates(price.currency, rate, effective_from)
    own = OwnFile([price], rates=rates)
    _publish_own(where, own, "taximeter prices set", effective_from, output)


@click.command("import")
@click.argument("file", type=click.File("r", encoding="utf-8"), metavar="FILE.yaml|-")
@from_option
@where_options
@format_option
def import_(
    where: Where, file: click.utils.LazyFile, start: str | None, output: Format
) -> None:
    """Set what a file states: prices, discounts, mark-ups, names of your own.

    A discount is taken off the list that is in force at that moment. A file with a
    fault is refused whole.
    """
    name = str(file.name)
    try:
        own = parse_own_prices(str(file.read()), name)
    except UnicodeDecodeError:
        raise ConfigurationError(f"{name}: not UTF-8 text") from None
    effective_from = moment_of(start, SystemClock().now())
    _publish_own(where, own, name[-200:], effective_from, output)


@click.command("alias")
@click.argument("name")
@click.argument("meaning", required=False, metavar="[PROVIDER/MODEL]")
@click.option("--remove", is_flag=True, help="The name means nothing any more.")
@from_option
@where_options
@format_option
def alias(
    where: Where,
    name: str,
    meaning: str | None,
    start: str | None,
    output: Format,
    *,
    remove: bool,
) -> None:
    """Say which model NAME means: a deployment, a profile, a name of your own.

    NAME is a model as events name it, at any provider, or PROVIDER/MODEL at one.
    """
    if remove == (meaning is not None):
        raise ConfigurationError("give what the name means, or --remove")
    effective_from = moment_of(start, SystemClock().now())
    own = OwnFile([], {name: meaning})
    _publish_own(where, own, "taximeter prices alias", effective_from, output)


def _named(others: Iterable[str]) -> dict[str, str]:
    named: dict[str, str] = {}
    for text in others:
        name, sign, usd = text.partition("=")
        if not sign:
            raise ConfigurationError(f"--price {text!r} is not NAME=USD")
        named[name.strip()] = usd.strip()
    return named


def _rates(currency: str, rate: str | None, moment: datetime) -> ExchangeRates:
    if (rate is None) != (currency == USD):
        raise ConfigurationError("--currency and --rate belong together")
    if rate is None:
        return ExchangeRates({})
    return ExchangeRates.read({currency: {moment.isoformat(): rate}})


def _publish_own(
    where: Where, own: OwnFile, source: str, effective_from: datetime, output: Format
) -> None:
    books = asyncio.run(published_books(where.kafka(), where.topics))
    try:
        versions = own_versions(books, own, source, effective_from)
    except ConfigurationError as error:
        raise ConfigurationError(
            f"{source} is refused: {error}; the prices in force stay as they are"
        ) from None
    now, changes = versions[0], own_changes(books, versions[0])
    publish(where, versions)
    if output == "json":
        later = [told(event, published=True) for event in versions[1:]]
        extra: dict[str, object] = {"later_versions": later} if later else {}
        write_object(told(now, published=True) | as_objects(changes) | extra)
    else:
        write_changes(changes, output)
    for line in told_beside(own_layer_of(now)):
        say(line)
    for event in versions:
        tell(event, published=True)
    for line in changed_again(books, versions):
        say(line)
