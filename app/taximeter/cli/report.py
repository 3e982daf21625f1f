"""`taximeter report`: spend from the ledger."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Final

import click

from taximeter.cli.options import Format, data_option, format_option
from taximeter.cli.output import write_object, write_rows
from taximeter.logs import say
from taximeter.provider_costs import COLUMNS, difference_rows, total_difference
from taximeter.reading import open_ledger
from taximeter.spend_report import (
    LIST_SUMS,
    OVERVIEW,
    SUMS,
    Stretch,
    differs_from_list,
    parse_dimensions,
    spend_rows,
    total_row,
)
from taximeter.state import DataDir
from taximeter_sinks.queries import Ledger

__all__ = ["command", "write_overview"]

Row = dict[str, object]

_SELLERS: Final = ("provider", "model")
_AMOUNTS: Final = {"cost_usd": "unpriced", "list_cost_usd": "none", "markup_usd": "-"}


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
    _tell_prices(total)


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
        write_rows(rows, output, ("by", "value", *SUMS, *LIST_SUMS))
    else:
        sums = _sums([total, *chain.from_iterable(sections.values())])
        _write_section("Spend", [total], sums)
        for (name, title), found in sections.items():
            _write_section(title, found, (name, *sums))
    return total


def _write_by(by: Sequence[str], rows: list[Row], total: Row, output: Format) -> None:
    if output == "table":
        last: Row = {by[0]: "total", **dict.fromkeys(by[1:], ""), **total}
        columns = (*by, *_sums([*rows, last]))
        write_rows(_for_people([*rows, last]), output, columns)
    else:
        write_rows(rows, output, (*by, *SUMS, *LIST_SUMS))


def _sums(rows: Iterable[Row]) -> tuple[str, ...]:
    """Return what people are shown: the list's side where it is another."""
    return (*SUMS, *LIST_SUMS) if any(map(differs_from_list, rows)) else SUMS


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
    amounts = {
        name: [_cost(row[name], words) for row in rows]
        for name, words in _AMOUNTS.items()
    }
    widths = {name: max(map(len, all_), default=0) for name, all_ in amounts.items()}
    for number, row in enumerate(rows):
        named = {name: "(none)" if v is None else v for name, v in row.items()}
        yield named | {n: amounts[n][number].rjust(widths[n]) for n in amounts}


def _cost(cost: object, unknown: str) -> str:
    return unknown if cost is None else f"{cost:f}"


def _tell_prices(total: Row) -> None:
    if total["unpriced_calls"]:
        say(
            f"{total['unpriced_calls']} calls have no known price and are in no sum: "
            "'taximeter report --by provider,model' shows which"
        )
    if total["unlisted_calls"]:
        say(f"{total['unlisted_calls']} calls have a price that no list has")
