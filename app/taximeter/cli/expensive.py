"""`taximeter expensive`: the dearest conversations, endpoints and single calls."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from taximeter.cli.options import (
    Format,
    data_option,
    report_format_option,
    top_option,
)
from taximeter.cli.output import write_object, write_rows
from taximeter.cli.spend_tables import write_section
from taximeter.cli.stretch_options import only_options, stretch_options
from taximeter.reading import open_ledger
from taximeter.reports.figures import FIGURES, figure_rows, with_shares
from taximeter.spend_report import SUMS, Stretch, total_row
from taximeter.state import DataDir
from taximeter_sinks.call_costs import calls_query
from taximeter_sinks.dear_calls import conversations_query
from taximeter_sinks.dimensions import Only
from taximeter_sinks.queries import Ledger

__all__ = ["command"]

Row = dict[str, object]

_TITLES: Final = {
    "conversations": "Dearest conversations",
    "endpoints": "Dearest endpoints and models",
    "calls": "Dearest calls",
}
_ENDPOINT: Final = ("endpoint", "model")


@click.command()
@data_option
@report_format_option
@click.option("--what", type=click.Choice(list(_TITLES)), help="Only one of the three.")
@top_option("So many of each.")
@stretch_options
@only_options
def command(
    *,
    data: Path,
    output: Format,
    what: str | None,
    limit: int,
    stretch: Stretch,
    only: Only,
) -> None:
    """Show what costs most: conversations, endpoints with their models, single calls.

    A call costs its charge and whatever was added to it since; one without a price is
    not among the calls.
    """
    with open_ledger(DataDir(data)) as ledger:
        found = {
            name: _found(ledger, name, limit, stretch, only)
            for name in ([what] if what else _TITLES)
        }
    if output == "json":
        write_object(found)
    elif output == "csv":
        _write_csv(found)
    else:
        for name, rows in found.items():
            columns = list(rows[0]) if rows else [name.removesuffix("s"), "cost_usd"]
            write_section(_TITLES[name], rows, output, columns)


def _write_csv(found: dict[str, list[Row]]) -> None:
    rows = [{"what": n, **row} for n, rows in found.items() for row in rows]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    write_rows(rows, "csv", columns or ("what", "cost_usd"))


def _found(
    ledger: Ledger, what: str, limit: int, stretch: Stretch, only: Only
) -> list[Row]:
    span, version = (stretch.start, stretch.end), ledger.schema_version()
    if what == "conversations":
        return ledger.sql(conversations_query(*span, limit, version, only)).named()
    if what == "calls":
        return ledger.sql(calls_query(*span, limit, version, only)).named()
    rows = figure_rows(ledger, _ENDPOINT, stretch, limit, only)
    shared = with_shares(rows, total_row(ledger, stretch, only))
    return _cut(shared, (*_ENDPOINT, *SUMS, *FIGURES))


def _cut(rows: Sequence[Row], columns: Sequence[str]) -> list[Row]:
    return [{name: row[name] for name in columns} for row in rows]
