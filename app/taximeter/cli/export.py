"""`taximeter export`: spend as a file."""

from __future__ import annotations

from pathlib import Path

import click

from taximeter.cli.output import jsonable
from taximeter.cli.prices_in_force import prices_in_force
from taximeter.cli.stretch_options import only_options, stretch_options
from taximeter.cli.where import Where, where_options
from taximeter.logs import say
from taximeter.reading import open_ledger
from taximeter.reports.exports.writing import FORMATS, Wanted, export, format_of
from taximeter.spend_report import Stretch, parse_dimensions
from taximeter_schemas.clock import SystemClock
from taximeter_sinks.dimensions import Only

__all__ = ["command"]


@click.command()
@where_options
@click.option(
    "--format",
    "given",
    type=click.Choice(FORMATS),
    help="Default: as FILE ends.",
)
@click.option(
    "-o",
    "--output",
    "path",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Replaced once the new one is whole.",
)
@click.option("--by", default="", metavar="NAME[,…]", help="A report, not calls.")
@click.option(
    "--account",
    default="taximeter",
    show_default=True,
    metavar="NAME",
    help="Whose bill it is, for FOCUS.",
)
@stretch_options
@only_options
def command(
    where: Where,
    *,
    path: Path,
    by: str,
    stretch: Stretch,
    only: Only,
    given: str | None,
    account: str,
) -> None:
    """Write spend into a file: CSV, JSON or Parquet with a row for each call (or as
    a report, with --by), a report as an Excel workbook or a PDF, a chart as SVG (with
    --by), or FOCUS 1.2.
    """  # noqa: D205 - click makes one paragraph of it
    form = format_of(path, given)
    wanted = Wanted(form, parse_dimensions(by), stretch, only, account)
    now = SystemClock().now()
    with open_ledger(where.data) as ledger:
        rows = export(
            ledger, wanted, path, now, lambda: prices_in_force(where), jsonable
        )
        unpriced = ledger.totals(stretch.start, stretch.end, only).unpriced_calls
    say(f"wrote {path}" if rows is None else f"wrote {rows:,} rows to {path}")
    if unpriced:
        left = "left out" if form == "focus" else "in no sum"
        say(f"{unpriced:,} calls have no known price and are {left}")
