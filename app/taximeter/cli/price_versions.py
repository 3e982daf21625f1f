"""`taximeter prices update`: a newer price list."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

import click

from taximeter.cli.options import Format, format_option
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
from taximeter.logs import say
from taximeter.price_changes import price_changes, summary
from taximeter.price_publishing import list_version, published_books
from taximeter.price_sources import INSTALLED, fetch_price_list
from taximeter_processors.price_faults import read_price_list
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.errors import ConfigurationError

__all__ = ["update"]

_LEAD: Final = timedelta(minutes=1)
_FAULTS_TOLD: Final = 50


@click.command("update")
@click.option(
    "--from",
    "source",
    default=INSTALLED,
    show_default=True,
    metavar="FILE|URL|installed",
    help="The newer list, in litellm's format.",
)
@from_option
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
    effective_from = moment_of(start, SystemClock().now() + _LEAD)
    books = asyncio.run(published_books(where.kafka(), where.topics))
    event = list_version(books, entries, file.release, file.content, effective_from)
    changes = price_changes(books.list_at(effective_from)[1], entries)
    published = not dry_run and bool(event.entries)
    if output != "json":
        write_changes(changes, output)
    say(summary(changes))
    if published and not yes:
        question = f"put {event.price_version} in force from {effective_from}?"
        published = click.confirm(question, err=True)
    if published:
        publish(where, [event])
    if output == "json":
        write_object(told(event, published=published) | as_objects(changes))
    tell(event, published=published)


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
