"""`taximeter report`: spend from the ledger."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import click

from taximeter.cli.options import Format, data_option, format_option
from taximeter.cli.output import write_object, write_rows
from taximeter.logs import say
from taximeter.provider_costs import COLUMNS, difference_rows, total_difference
from taximeter.reading import open_ledger
from taximeter.spend_report import (
    OVERVIEW,
    SUMS,
    Stretch,
    parse_dimensions,
    spend_rows,
    total_row,
)
from taximeter.state import DataDir
from taximeter_sinks.queries import Ledger

__all__ = ["command", "write_overview"]

Row = dict[str, object]

_UNPRICED: Final = "unpriced"
_SELLERS: Final = ("provider", "model")


@click.command()
@data_option
@format_option
@click.option("--by", metavar="NAME[,…]", help="user, model, project, day, …")
@click.option("--from", "start", metavar="MOMENT", help="A date or a time; included.")
@click.option("--to", "end", metavar="MOMENT", help="A date or a time; not included.")
@click.option(
    "--tz", "zone", default="UTC", show_default=True, help="An IANA time zone."
)
@click.option("--limit", type=click.IntRange(1), help="At most so many rows.")
@click.option(
    "--provider-cost",
    is_flag=True,
    help="Calls whose provider states a cost: the difference, by provider,model.",
)
def command(
    *,
    data: Path,
    output: Format,
    by: str | None,
    provider_cost: bool,
    start: str | None,
    end: str | None,
    zone: str,
    limit: int | None,
) -> None:
    """Show spend: in all, or by user, model, project, provider, session, endpoint,
    source, status, hour, day, week or month, or several of them.

    Calls without a known price are counted as unpriced and are in no sum.
    """  # noqa: D205 - click makes one paragraph of it
    stretch = Stretch.parse(start, end, zone)
    dimensions = parse_dimensions(by or "")
    with open_ledger(DataDir(data)) as ledger:
        if provider_cost:
            _write_differences(ledger, dimensions or _SELLERS, stretch, output, limit)
            return
        if dimensions:
            rows = spend_rows(ledger, dimensions, stretch, limit)
            total = total_row(ledger, stretch)
            _write_by(dimensions, rows, total, output)
        else:
            total = write_overview(ledger, stretch, output, limit)
    _tell_unpriced(total)


def write_overview(
    ledger: Ledger, stretch: Stretch, output: Format, limit: int | None = None
) -> Row:
    """Print the total and the usual sections; return the total."""
    total = total_row(ledger, stretch)
    sections = {
        (name, title): spend_rows(ledger, (name,), stretch, limit or most)
        for name, title, most in OVERVIEW
    }
    if output == "json":
        named = {f"by_{name}": rows for (name, _), rows in sections.items()}
        write_object({"total": total, **named})
    elif output == "csv":
        rows: list[Row] = [{"by": "total", "value": None, **total}]
        for (name, _), found in sections.items():
            rows += [{"by": name, "value": row[name], **row} for row in found]
        write_rows(rows, output, ("by", "value", *SUMS))
    else:
        _write_section("Spend", [total], SUMS)
        for (name, title), found in sections.items():
            _write_section(title, found, (name, *SUMS))
    return total


def _write_by(by: Sequence[str], rows: list[Row], total: Row, output: Format) -> None:
    columns = (*by, *SUMS)
    if output == "table":
        last: Row = {by[0]: "total", **dict.fromkeys(by[1:], ""), **total}
        write_rows(_for_people([*rows, last]), output, columns)
    else:
        write_rows(rows, output, columns)


def _write_differences(
    ledger: Ledger,
    by: Sequence[str],
    stretch: Stretch,
    output: Format,
    limit: int | None,
) -> None:
    rows = difference_rows(ledger, by, stretch, limit)
    total = total_difference(ledger, stretch)
    if output == "table":
        rows.append({by[0]: "total", **dict.fromkeys(by[1:], ""), **total})
        rows = [{n: "" if v is None else v for n, v in row.items()} for row in rows]
    write_rows(rows, output, (*by, *COLUMNS))
    if not (total["calls"] or total["unpriced_calls"]):
        say("no call in the ledger states what its provider takes for it")


def _write_section(title: str, rows: list[Row], columns: Sequence[str]) -> None:
    if not sys.stdout.isatty():
        click.echo(title)
    write_rows(_for_people(rows), "table", columns, title)
    click.echo()


def _for_people(rows: list[Row]) -> Iterator[Row]:
    """Say what a cell without a value means, with costs under one another."""
    costs = [_cost(row["cost_usd"]) for row in rows]
    width = max(map(len, costs), default=0)
    for row, cost in zip(rows, costs, strict=True):
        named = {name: "(none)" if v is None else v for name, v in row.items()}
        yield named | {"cost_usd": cost.rjust(width)}


def _cost(cost: object) -> str:
    return _UNPRICED if cost is None else f"{cost:f}"


def _tell_unpriced(total: Row) -> None:
    if total["unpriced_calls"]:
        say(
            f"{total['unpriced_calls']} calls have no known price and are in no sum: "
            "'taximeter report --by provider,model' shows which"
        )
