"""`taximeter reprice`: what history costs at other prices, shown or written."""

from __future__ import annotations

import asyncio
import getpass
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import click

from taximeter.cli.options import Format, format_option
from taximeter.cli.output import write_object, write_rows
from taximeter.cli.where import Where, where_options
from taximeter.logs import say
from taximeter.moments import parse_moment
from taximeter.price_publishing import published_books
from taximeter.reach import kafka
from taximeter.reading import open_ledger, served_ledger
from taximeter.repricing import Aim, Outcome, preview, reprice
from taximeter.repricing.differences import ModelTotals, Wish
from taximeter.repricing.settled import settled
from taximeter_processors.price_versions import Prices
from taximeter_producers.kafka import KafkaEmitter
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.errors import ConfigurationError, NotReady
from taximeter_schemas.money import usd_from_pico
from taximeter_sinks.charged_calls import CallFilter
from taximeter_sinks.queries import Ledger

__all__ = ["command"]

_IN_FORCE: Final = "in force now"
_LONGEST: Final = 256


@click.command()
@click.option(
    "--from", "start", required=True, metavar="MOMENT", help="A date or a time."
)
@click.option("--to", "end", metavar="MOMENT", help="Not included.  [default: now]")
@click.option(
    "--model", "models", multiple=True, help="Only this one; may be repeated."
)
@click.option("--provider", "providers", multiple=True, help="Only this one, likewise.")
@click.option(
    "--to-version",
    metavar="VERSION",
    help="The prices that charges of this price version have, for all calls. Default: "
    "the prices that are in force now for the time of each call.",
)
@click.option("--apply", is_flag=True, help="Write the adjustments.")
@click.option("--yes", is_flag=True, help="Write them without asking.")
@click.option("--reason", default="re-pricing", show_default=True, help="Why.")
@click.option("--who", help="Who wants it.  [default: the user of this machine]")
@where_options
@format_option
def command(  # noqa: PLR0913 - options of a command
    where: Where,
    *,
    start: str,
    end: str | None,
    models: tuple[str, ...],
    providers: tuple[str, ...],
    to_version: str | None,
    apply: bool,
    yes: bool,
    reason: str,
    who: str | None,
    output: Format,
) -> None:
    """Show what calls would cost at other prices, and with --apply have it so.

    Nothing in the ledger changes: each call that costs something else gets an
    adjustment, which says the old and the new price version, the difference, why and
    who. Applying it twice changes nothing. A call that the other prices do not know
    keeps its price.
    """
    calls = CallFilter(
        parse_moment(start),
        parse_moment(end) if end else SystemClock().now(),
        models,
        providers,
    )
    wish = Wish(_fit("--reason", reason), _fit("--who", who or _this_user()))
    if apply:
        outcome, written = _apply(where, calls, to_version, wish, output, yes=yes)
    else:
        outcome, written = _shown(where, calls, to_version, wish), False
    if not (apply and not yes) or output == "json":
        _write(outcome, to_version, output, written=written)
    _tell(outcome, written=written, apply=apply)


def _shown(
    where: Where, calls: CallFilter, to_version: str | None, wish: Wish
) -> Outcome:
    with kafka(where.data, where.given, say) as address, open_ledger(where.data) as led:
        aim = Aim(calls, asyncio.run(_prices(address, where, to_version)), wish)
        with _bar("calls") as progress:
            return preview(led, aim, progress)


def _apply(
    where: Where,
    calls: CallFilter,
    to_version: str | None,
    wish: Wish,
    output: Format,
    *,
    yes: bool,
) -> tuple[Outcome, bool]:
    """Return what came of it, and whether it was written."""
    address = where.kafka()
    if served_ledger(where.data) is None:
        raise NotReady(
            "--apply needs a running system, and no sink runs here: "
            "start 'taximeter up'"
        )
    with open_ledger(where.data) as ledger:
        prices = asyncio.run(_prices(address, where, to_version))
        aim = Aim(calls, prices, wish)
        say("waiting until all that was sent is in the ledger")
        asyncio.run(settled(address, where.topics, ledger))
        if not yes and not _agreed(ledger, aim, to_version, output):
            return Outcome(), False
        return asyncio.run(_written(where, address, ledger, aim)), True


def _agreed(ledger: Ledger, aim: Aim, to_version: str | None, output: Format) -> bool:
    with _bar("calls") as progress:
        outcome = preview(ledger, aim, progress)
    if output != "json":
        _write(outcome, to_version, output, written=False)
    count = outcome.total("adjustments")
    if not count:
        return False
    return click.confirm(f"write {count} adjustments{_by(outcome)}?", err=True)


async def _written(where: Where, address: str, ledger: Ledger, aim: Aim) -> Outcome:
    emitter = KafkaEmitter(address, where.topics, client_id="taximeter-reprice")
    try:
        with _bar("calls") as progress:
            outcome = await reprice(ledger, aim, progress, emitter)
    finally:
        await emitter.aclose()
    if outcome.sent:
        say(f"{outcome.sent} adjustments are in Kafka; waiting for the ledger")
        await settled(address, where.topics, ledger)
    return outcome


async def _prices(address: str, where: Where, to_version: str | None) -> Prices:
    books = await published_books(address, where.topics)
    return (
        books.named(to_version) if to_version else books.known_at(SystemClock().now())
    )


@contextmanager
def _bar(unit: str) -> Iterator[Callable[[int, int], None]]:
    """Give what shows progress, where a person looks at it."""
    if not sys.stderr.isatty():
        yield lambda _done, _all: None
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
    from rich.progress import BarColumn, MofNCompleteColumn, Progress  # noqa: PLC0415

    columns = BarColumn(), MofNCompleteColumn(), unit
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(unit)
        yield lambda done, of: progress.update(task, completed=done, total=of)


def _write(
    outcome: Outcome, to_version: str | None, output: Format, *, written: bool
) -> None:
    rows = [_row(model) for model in outcome.models]
    if output != "json":
        write_rows(rows, output, _COLUMNS, f"At the prices {to_version or _IN_FORCE}")
        return
    totals = ModelTotals("", "")
    for name in _NUMBERS:
        setattr(totals, name, outcome.total(name))
    total = {name: value for name, value in _row(totals).items() if name in _SUMMED}
    facts = {"to_version": to_version, "applied": written, "sent": outcome.sent}
    write_object(facts | total | {"models": rows})


_NUMBERS: Final = (
    "calls",
    "old_pico",
    "new_pico",
    "priced",
    "unpriced",
    "kept",
    "adjustments",
)
_SUMMED: Final = (
    "calls",
    "old_cost_usd",
    "new_cost_usd",
    "difference_usd",
    "newly_priced",
    "still_unpriced",
    "kept",
    "adjustments",
)
_COLUMNS: Final = ("provider", "model", *_SUMMED)


def _row(model: ModelTotals) -> dict[str, object]:
    # Where nothing of it has a price, it costs nothing known, which is not 0.
    old_known = model.calls > model.priced + model.unpriced
    new_known = model.calls > model.unpriced
    return {
        "provider": model.provider,
        "model": model.model,
        "calls": model.calls,
        "old_cost_usd": usd_from_pico(model.old_pico) if old_known else None,
        "new_cost_usd": usd_from_pico(model.new_pico) if new_known else None,
        "difference_usd": usd_from_pico(model.new_pico - model.old_pico),
        "newly_priced": model.priced,
        "still_unpriced": model.unpriced,
        "kept": model.kept,
        "adjustments": model.adjustments,
    }


def _tell(outcome: Outcome, *, written: bool, apply: bool) -> None:
    if written and outcome.sent:
        say(f"{outcome.sent} adjustments are in the ledger{_by(outcome)}")
    elif apply:
        say("nothing to be written")
    elif count := outcome.total("adjustments"):
        say(f"{count} calls would be adjusted{_by(outcome)}; --apply does it")
    else:
        say("nothing would change")
    if kept := outcome.total("kept"):
        say(f"{kept} calls keep their price: the other prices have none for them")


def _by(outcome: Outcome) -> str:
    pico = outcome.total("new_pico") - outcome.total("old_pico")
    return f", {usd_from_pico(pico):+f} USD in all"


def _fit(option: str, words: str) -> str:
    if not 0 < len(words) <= _LONGEST:
        raise ConfigurationError(f"{option} takes 1 to {_LONGEST} characters")
    return words


def _this_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
