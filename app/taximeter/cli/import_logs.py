"""`taximeter import`: what other tools have logged, as usage events."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final

import click

from taximeter.broker.admin import ensure_topics
from taximeter.cli.import_options import (
    How,
    Where,
    columns_options,
    how_options,
    wanted_options,
    where_options,
)
from taximeter.cli.import_progress import show
from taximeter.cli.import_refusals import Refusals
from taximeter.cli.options import Format, format_option
from taximeter.cli.output import write_object, write_rows
from taximeter.imports.context import Context, sellers
from taximeter.imports.importing import Import, Settle, Tally
from taximeter.imports.kinds import KINDS, MAPPED, kind_named
from taximeter.imports.mapped import ColumnMap
from taximeter.imports.outcomes import Wanted, outcomes
from taximeter.imports.seen import Seen
from taximeter.logs import say
from taximeter.ndjson import settle
from taximeter.reading import open_ledger
from taximeter.settings import CommonSettings, read
from taximeter.state import DataDir
from taximeter_processors.price_book import litellm_price_book
from taximeter_producers.emitter import TakesEvents
from taximeter_producers.kafka import KafkaEmitter
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.errors import ConfigurationError, LedgerUnavailable
from taximeter_sinks.queries import Ledger

__all__ = ["command"]

_REASONS_TOLD: Final = 10
_NO_LEDGER: Final = (
    "it says what has been imported before. Start 'taximeter up' (or name the sink "
    "with TAXIMETER_QUACK_HOST and _PORT), or give --unchecked to send everything"
)
_UNCHECKED: Final = (
    "what is in the ledger already was not looked up: workers drop what they saw "
    "within the last day, anything older would count again"
)


@click.command()
@click.argument("kind", type=click.Choice([*KINDS, *MAPPED]), metavar="KIND")
@click.argument(
    "paths",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE…",
)
@columns_options
@wanted_options
@how_options
@where_options
@format_option
@click.pass_context
def command(
    context: click.Context,
    *,
    kind: str,
    paths: tuple[Path, ...],
    columns: ColumnMap | None,
    wanted: Wanted,
    how: How,
    where: Where,
    output: Format,
) -> None:
    """Import logs: litellm, langfuse, helicone, llm, openai, anthropic, csv, jsonl.

    Each call that is logged becomes an event of its own time, with an id derived from
    the log's: importing a file twice, or files that overlap, changes nothing. Prints
    how many calls were new and known, and how many rows were left out or refused. The
    exit code is 1 if any was refused.
    """
    chosen = kind_named(kind, columns)
    files = chosen.opened(paths, chosen.form)
    knowledge = Context(sellers(litellm_price_book()), SystemClock().now())
    judge = partial(outcomes, kind=chosen, context=knowledge, wanted=wanted)
    with ExitStack() as stack:
        ledger = _ledger(where, how, stack)
        emitter, settled = _way(where, how, stack)
        refusals = stack.enter_context(Refusals(how.refused))
        run = Import(ledger, emitter, settled, refusals)
        steps = run.run(files.entries(), judge, stack.enter_context(Seen()))
        show(steps, files, run.tally)
    _tell(run.tally, kind, output, checked=ledger is not None)
    context.exit(1 if run.tally.refused else 0)


def _ledger(where: Where, how: How, stack: ExitStack) -> Ledger | None:
    """Return the ledger that says what is known, None if it is not to be asked."""
    if how.unchecked:
        say(_UNCHECKED)
        return None
    try:
        return stack.enter_context(open_ledger(DataDir(where.data)))
    except LedgerUnavailable as error:
        if how.dry_run:
            say(f"{error}; {_UNCHECKED}")
            return None
        raise ConfigurationError(f"{error}; {_NO_LEDGER}") from error


def _way(where: Where, how: How, stack: ExitStack) -> tuple[TakesEvents | None, Settle]:
    """Return what takes the events, and what waits until they are safe."""
    if how.dry_run:
        return None, _nothing
    settings = read(CommonSettings, **where._asdict())
    kafka = DataDir(settings.data).bootstrap(settings.bootstrap)
    topics = settings.topics()
    asyncio.run(ensure_topics(kafka, topics))
    emitter = KafkaEmitter(kafka, topics)
    stack.callback(emitter.close)
    return emitter, partial(settle, emitter)


def _nothing() -> None:
    pass


def _tell(tally: Tally, kind: str, output: Format, *, checked: bool) -> None:
    row: dict[str, object] = {
        "kind": kind,
        "rows": tally.rows,
        "new": tally.new,
        "known": tally.known,
        "sent": tally.sent,
        "left_out": tally.left_out.total(),
        "refused": tally.refused.total(),
        "checked": checked,
    }
    if output == "json":
        why = {"left_out_because": tally.left_out, "refused_because": tally.refused}
        write_object(row | {name: dict(reasons) for name, reasons in why.items()})
        return
    write_rows([row], output)
    for words, reasons in (("left out", tally.left_out), ("refused", tally.refused)):
        for reason, count in reasons.most_common(_REASONS_TOLD):
            say(f"{words}: {count:,} rows: {reason}")
