"""What the commands that change prices share: when, what changes, and publishing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

import click

from taximeter.cli.options import Format
from taximeter.cli.output import write_rows
from taximeter.cli.where import Where
from taximeter.logs import say
from taximeter.moments import parse_moment
from taximeter.price_changes import PriceChange, telling
from taximeter.price_publishing import publish_prices
from taximeter_processors.price_versions import SETTLING
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.prices import PricesDefined

__all__ = [
    "as_objects",
    "from_option",
    "moment_of",
    "publish",
    "tell",
    "told",
    "write_changes",
]

# A version of now is not one of the past because publishing it took its time.
_LEAD: Final = timedelta(minutes=1)

from_option: Final = click.option(
    "--effective-from",
    "start",
    metavar="MOMENT",
    help="A date or a time from which on the prices hold.",
)


def moment_of(text: str | None, default: datetime) -> datetime:
    """Return the moment that is meant."""
    return parse_moment(text) if text else default


def publish(where: Where, versions: Sequence[PricesDefined]) -> None:
    """Publish versions; behind this, whatever is emitted is priced so."""
    asyncio.run(publish_prices(where.kafka(), where.topics, versions))
    if versions[0].effective_from < SystemClock().now() + SETTLING:
        # Scripts rely on it.
        time.sleep(SETTLING.total_seconds())


def write_changes(changes: Iterable[PriceChange], output: Format) -> None:
    """Print what changes: all of it for programs, what tells most for people."""
    if output == "csv":
        write_rows([c._asdict() for c in changes], output, PriceChange._fields)
        return
    rows = [change._asdict() for change in telling(changes)]
    if rows:
        write_rows(rows, output, PriceChange._fields, "Changes")


def as_objects(changes: Iterable[PriceChange]) -> dict[str, object]:
    """Return what changes, for JSON."""
    return {"changes": [change._asdict() for change in changes]}


def told(event: PricesDefined, *, published: bool) -> dict[str, object]:
    """Return what a version is, for JSON."""
    return {
        "price_version": event.price_version,
        "effective_from": event.effective_from,
        "layer": event.layer,
        "base": event.base,
        "content_hash": event.content_hash,
        "entries": len(event.entries),
        "published": published,
    }


def tell(event: PricesDefined, *, published: bool) -> None:
    """Say what became of a version."""
    stated = event.entries or event.scoped or event.markups or event.aliases
    if not stated:
        say("nothing changes: the list in force says the same")
    elif published:
        say(f"{event.price_version} is in force from {event.effective_from}")
        say(f"what was charged before stays as it is; {_next_step(event)}")
    else:
        say("nothing was published")


def _next_step(event: PricesDefined) -> str:
    """Return how calls of the past get these prices."""
    if event.effective_from < SystemClock().now() - _LEAD:
        since = event.effective_from.date()
        return f"'taximeter reprice --from {since}' shows what it would cost now"
    return (
        f"'taximeter reprice --from DATE --to-version {event.price_version}' shows "
        "what it would cost at these prices"
    )
