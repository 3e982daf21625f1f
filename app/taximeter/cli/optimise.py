"""`taximeter optimise`: what would have been cheaper."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import click

from taximeter.cli.options import Format, report_format_option, top_option
from taximeter.cli.output import write_object, write_rows
from taximeter.cli.prices_in_force import prices_in_force
from taximeter.cli.spend_tables import write_section
from taximeter.cli.stretch_options import only_options, stretch_options
from taximeter.cli.where import Where, where_options
from taximeter.logs import say
from taximeter.reading import open_ledger
from taximeter.reports.optimising import cached_elsewhere, other_models, read_calls
from taximeter.reports.tiers import read_tiers, tier_of
from taximeter.spend_report import Stretch
from taximeter_processors.pricing import PriceBook
from taximeter_sinks.dear_calls import repeated_prompts_query
from taximeter_sinks.dimensions import Only
from taximeter_sinks.queries import Ledger
from taximeter_sinks.recent_calls import UNITS, recent_calls_query

__all__ = ["command"]

Row = dict[str, object]

_DIFFERENCE: Final = ("now_usd", "then_usd", "saving_usd", "saving_percent")
_COLUMNS: Final = {
    "other_models": ("model", "instead", *_DIFFERENCE, "calls", "priced_calls"),
    "caching": ("model", "endpoint", *_DIFFERENCE, "calls"),
    "repeated_prompts": ("prompt_hash", "model", "calls", "cost_usd", "repeats_usd"),
}
_TITLES: Final = {
    "other_models": "The same calls on other models of the tier",
    "caching": "With a cache of the conversation, at most",
    "repeated_prompts": "Prompts that were sent more than once",
}


class _Question(NamedTuple):
    stretch: Stretch
    only: Only
    tiers: Sequence[Sequence[str]]
    calls: int
    limit: int


@click.command()
@where_options
@report_format_option
@click.option(
    "--tier",
    "tiers",
    multiple=True,
    metavar="M1,M2,…",
    help="Models that are as good as each other; several times for several tiers.",
)
@click.option(
    "--tiers",
    "file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE.yaml",
    help="The same as a file.",
)
@click.option(
    "--calls",
    type=click.IntRange(1),
    default=20_000,
    show_default=True,
    metavar="N",
    help="Price so many of the newest calls.",
)
@top_option("So many rows of each kind.")
@stretch_options
@only_options
def command(
    where: Where,
    *,
    output: Format,
    tiers: tuple[str, ...],
    file: Path | None,
    stretch: Stretch,
    only: Only,
    **most: int,
) -> None:
    """Show what the same calls would have cost on other models of a tier that you
    name, where a cache would have paid, and which prompts were sent repeatedly.

    Both sides are at the prices in force now.
    """  # noqa: D205 - click makes one paragraph of it
    named = [*map(tier_of, tiers), *(read_tiers(file) if file else [])]
    asked = _Question(stretch, only, named, most["calls"], most["limit"])
    book = prices_in_force(where)
    with open_ledger(where.data) as ledger:
        found = _found(ledger, asked, book)
    _write(found, output)
    if not named:
        say("name models that are as good as each other with --tier, to compare them")


def _found(ledger: Ledger, asked: _Question, book: PriceBook) -> dict[str, list[Row]]:
    span = (asked.stretch.start, asked.stretch.end)
    newest = ledger.sql(recent_calls_query(asked.calls, *span, asked.only))
    calls = read_calls(newest.rows, UNITS)
    say(f"priced the newest {len(calls):,} calls of these")
    again = ledger.sql(repeated_prompts_query(*span, asked.limit, asked.only))
    return {
        "other_models": other_models(calls, asked.tiers, book)[: asked.limit],
        "caching": cached_elsewhere(calls, book)[: asked.limit],
        "repeated_prompts": again.named(),
    }


def _write(found: dict[str, list[Row]], output: Format) -> None:
    if output == "json":
        write_object(found)
    elif output == "csv":
        rows = [{"kind": n, **row} for n, rows in found.items() for row in rows]
        columns = dict.fromkeys(
            name for columns in _COLUMNS.values() for name in columns
        )
        write_rows(rows, "csv", ("kind", *columns))
    else:
        for name, rows in found.items():
            write_section(_TITLES[name], rows, output, _COLUMNS[name])
