"""`taximeter prices update`, `set` and `import`: new versions of the prices."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import click
from pydantic import ValidationError

from taximeter.cli.options import Format, format_option
from taximeter.cli.output import write_object, write_rows
from taximeter.cli.where import Where, where_options
from taximeter.logs import say
from taximeter.moments import parse_moment
from taximeter.own_prices import OwnPrice, own_entries, parse_own_prices
from taximeter.price_changes import PriceChange, price_changes, summary, telling
from taximeter.price_publishing import (
    list_version,
    own_version,
    publish_prices,
    published_books,
)
from taximeter.price_sources import INSTALLED, fetch_price_list
from taximeter_processors.price_faults import read_price_list
from taximeter_processors.price_versions import SETTLING
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.errors import ConfigurationError
from taximeter_schemas.prices import PricesDefined
from taximeter_schemas.records import explained

__all__ = ["import_", "set_", "update"]

_LEAD: Final = timedelta(minutes=1)
_FAULTS_TOLD: Final = 50


class _Usd(click.ParamType):
    """An amount in US dollars, digit by digit."""

    name = "usd"

    def convert(
        self,
        value: Any,  # noqa: ANN401
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Decimal:
        try:
            return Decimal(value)
        except InvalidOperation:
            self.fail(f"{value!r} is no amount", param, ctx)


_from_option = click.option(
    "--effective-from",
    "start",
    metavar="MOMENT",
    help="A date or a time from which on the prices hold.",
)


@click.command("update")
@click.option(
    "--from",
    "source",
    default=INSTALLED,
    show_default=True,
    metavar="FILE|URL|installed",
    help="The newer list, in litellm's format.",
)
@_from_option
@click.option("--yes", is_flag=True, help="Publish without asking.")
@click.option("--dry-run", is_flag=True, help="Show what changes; publish nothing.")
@where_options
@format_option
def update(
    where: Where,
    source: str,
    start: str | None,
    output: Format,
    *,
    yes: bool,
    dry_run: bool,
) -> None:
    """Show what a newer price list changes, and put it in force from a moment on.

    A list with a fault is refused whole. By default it holds from a minute from now.
    """
    file = fetch_price_list(source)
    entries = _without_faults(source, file.content)
    effective_from = _moment(start, SystemClock().now() + _LEAD)
    books = asyncio.run(published_books(where.kafka(), where.topics))
    event = list_version(books, entries, file.release, file.content, effective_from)
    changes = price_changes(books.list_at(effective_from)[1], entries)
    published = not dry_run and bool(event.entries)
    if output != "json":
        _write_changes(changes, output)
    say(summary(changes))
    if published and not yes:
        question = f"put {event.price_version} in force from {effective_from}?"
        published = click.confirm(question, err=True)
    if published:
        _publish(where, event)
    if output == "json":
        write_object(_told(event, published=published) | _as_objects(changes))
    _tell(event, published=published)


@click.command("set")
@click.argument("model")
@click.option("--provider", required=True, help="As events name it.")
@click.option("--input-per-million", type=_Usd(), metavar="USD")
@click.option("--output-per-million", type=_Usd(), metavar="USD")
@click.option(
    "--cache-read-per-million",
    type=_Usd(),
    metavar="USD",
    help="Without it cached tokens cost what input costs.",
)
@click.option("--free", is_flag=True, help="It costs 0, which is a price.")
@_from_option
@where_options
@format_option
def set_(
    where: Where,
    model: str,
    start: str | None,
    output: Format,
    **given: Any,  # noqa: ANN401
) -> None:
    """Set a price of your own for MODEL, in US dollars a million tokens.

    It takes the place of all that the list says of the model, from now on unless
    --effective-from says otherwise.
    """
    try:
        price = OwnPrice(model=model, **given)
    except ValidationError as error:
        raise ConfigurationError(explained(error)) from None
    _publish_own(where, [price], "taximeter prices set", start, output)


@click.command("import")
@click.argument("file", type=click.File("r", encoding="utf-8"), metavar="FILE.yaml|-")
@_from_option
@where_options
@format_option
def import_(
    where: Where, file: click.utils.LazyFile, start: str | None, output: Format
) -> None:
    """Set the prices of a file: fixed ones, free models, discounts.

    A discount is taken off the list that is in force at that moment.
    """
    name = str(file.name)
    try:
        prices = parse_own_prices(str(file.read()), name)
    except UnicodeDecodeError:
        raise ConfigurationError(f"{name}: not UTF-8 text") from None
    _publish_own(where, prices, name[-200:], start, output)


def _publish_own(
    where: Where, prices: list[OwnPrice], source: str, start: str | None, output: Format
) -> None:
    effective_from = _moment(start, SystemClock().now())
    books = asyncio.run(published_books(where.kafka(), where.topics))
    listed = books.list_at(effective_from)[1]
    entries = own_entries(prices, listed)
    _, before = books.entries_at(effective_from)
    event = own_version(books, entries, source, effective_from)
    changes = price_changes({n: before[n] for n in entries if n in before}, entries)
    _publish(where, event)
    if output == "json":
        write_object(_told(event, published=True) | _as_objects(changes))
    else:
        _write_changes(changes, output)
    _tell(event, published=True)


def _publish(where: Where, event: PricesDefined) -> None:
    asyncio.run(publish_prices(where.kafka(), where.topics, event))
    if event.effective_from < SystemClock().now() + SETTLING:
        # Behind this, whatever is emitted is priced so: scripts rely on it.
        time.sleep(SETTLING.total_seconds())


def _without_faults(source: str, content: bytes) -> dict[str, dict[str, object]]:
    try:
        entries, faults = read_price_list(content)
    except ConfigurationError as error:
        raise ConfigurationError(f"{source} is refused: {error}") from None
    for fault in faults[:_FAULTS_TOLD]:
        say(fault)
    if faults:
        more = f", {_FAULTS_TOLD} of them above" if len(faults) > _FAULTS_TOLD else ""
        raise ConfigurationError(
            f"{source} is refused: {len(faults)} faults{more}; "
            "the prices in force stay as they are"
        )
    return entries


def _moment(text: str | None, default: datetime) -> datetime:
    return parse_moment(text) if text else default


def _write_changes(changes: list[PriceChange], output: Format) -> None:
    if output == "csv":
        write_rows([c._asdict() for c in changes], output, PriceChange._fields)
        return
    rows = [change._asdict() for change in telling(changes)]
    if rows:
        write_rows(rows, output, PriceChange._fields, "Changes")


def _as_objects(changes: Iterable[PriceChange]) -> dict[str, object]:
    return {"changes": [change._asdict() for change in changes]}


def _told(event: PricesDefined, *, published: bool) -> dict[str, object]:
    return {
        "price_version": event.price_version,
        "effective_from": event.effective_from,
        "layer": event.layer,
        "base": event.base,
        "content_hash": event.content_hash,
        "entries": len(event.entries),
        "published": published,
    }


def _tell(event: PricesDefined, *, published: bool) -> None:
    if not event.entries:
        say("nothing changes: the list in force says the same")
    elif published:
        say(f"{event.price_version} is in force from {event.effective_from}")
        say("what was charged before stays as it is")
    else:
        say("nothing was published")
