"""`taximeter compare`: periods, projects or models beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

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
from taximeter.logs import say
from taximeter.reading import open_ledger
from taximeter.reports.comparing import (
    METRICS,
    Side,
    compared,
    compared_by,
    periods,
    subjects,
    unfinished,
)
from taximeter.spend_report import Stretch, parse_dimensions
from taximeter.state import DataDir
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.errors import ConfigurationError
from taximeter_sinks.dimensions import Only

__all__ = ["command"]

Row = dict[str, object]


@click.command()
@data_option
@report_format_option
@click.option(
    "--periods",
    "period",
    metavar="P1,P2",
    help="2026-10,2026-11; years, days and FROM..TO, too.",
)
@click.option("--projects", "project", metavar="A,B", help="Projects, over the time.")
@click.option("--models", "model", metavar="A,B", help="Models, over the time given.")
@click.option(
    "--metric",
    type=click.Choice(METRICS),
    default="cost",
    show_default=True,
    help="What is told apart by --by.",
)
@click.option("--by", help="By what.  [default: model, of models project]")
@top_option("At most so many rows.")
@stretch_options
@only_options
def command(
    *,
    data: Path,
    output: Format,
    metric: str,
    by: str | None,
    limit: int,
    stretch: Stretch,
    only: Only,
    **named: str | None,
) -> None:
    """Compare periods, projects or models by cost, calls, tokens and average.

    The change is that from the first to the last of them.
    """
    sides = _sides(named, stretch, only)
    dimension = _one(by or ("project" if named["model"] else "model"))
    with open_ledger(DataDir(data)) as ledger:
        whole = compared(ledger, sides)
        parts = compared_by(ledger, sides, dimension, metric)[:limit]
    _write(whole, parts, dimension, metric, sides, output)
    for name in unfinished(sides, SystemClock().now()):
        say(f"{name} is not over yet")


def _sides(named: dict[str, str | None], stretch: Stretch, only: Only) -> list[Side]:
    given = [(name, text) for name, text in named.items() if text is not None]
    if len(given) != 1:
        raise ConfigurationError("give one of --periods, --projects and --models")
    ((dimension, text),) = given
    if dimension != "period":
        return subjects(dimension, text, stretch, only)
    if stretch.start is not None or stretch.end is not None:
        raise ConfigurationError("--periods says which time: give no other")
    return periods(text, stretch.zone, only, SystemClock().now())


def _one(by: str) -> str:
    names = parse_dimensions(by)
    if len(names) != 1:
        raise ConfigurationError("--by takes one dimension here")
    return names[0]


def _write(
    whole: list[Row],
    parts: list[Row],
    by: str,
    metric: str,
    sides: Sequence[Side],
    output: Format,
) -> None:
    names = [side.name for side in sides]
    if output == "json":
        write_object(
            {"sides": names, "total": whole, "metric": metric, f"by_{by}": parts}
        )
        return
    change = (*names, "change", "change_percent")
    if output == "csv":
        rows = [{"by": "total", "value": row["metric"], **row} for row in whole]
        rows += [{"by": by, "value": row[by], **row} for row in parts]
        write_rows(rows, output, ("by", "value", *change))
        return
    write_section("In all", _said(whole), output, ("metric", *change))
    told = [{**row, by: "(none)" if row[by] is None else row[by]} for row in parts]
    write_section(f"{metric.title()} by {by}", _said(told), output, (by, *change))


def _said(rows: Sequence[Row]) -> list[Row]:
    """Return rows as people read them, numbers under one another."""
    told = [{name: _cell(name, value) for name, value in row.items()} for row in rows]
    widths = {n: max(len(row[n]) for row in told) for n in (told[0] if told else ())}
    first = next(iter(widths), "")
    return [
        {n: text if n == first else text.rjust(widths[n]) for n, text in row.items()}
        for row in told
    ]


def _cell(name: str, value: object) -> str:
    """Return a number with no more digits than it has.

    >>> _cell("2026-11", Decimal("1200.500")), _cell("change_percent", Decimal("-3"))
    ('1,200.5', '-3.00%')
    """
    if value is None:
        return "-"
    if not isinstance(value, Decimal):
        return str(value)
    if name == "change_percent":
        return f"{value:+.2f}%"
    return (
        f"{value:,.0f}" if value == value.to_integral() else f"{value.normalize():,f}"
    )
