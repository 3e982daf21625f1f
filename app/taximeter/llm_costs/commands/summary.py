"""`llm costs`: what has been spent, at a glance."""

from __future__ import annotations

from typing import Any, Final

import click

from taximeter.cli.bars import bar_chart
from taximeter.cli.output import Format, write_object, write_rows
from taximeter.cli.spend_tables import write_section
from taximeter.llm_costs.commands.asked import (
    Meant,
    chosen_format,
    format_option,
    meant_options,
    opened,
    tell_what_is_missing,
    width,
)
from taximeter.llm_costs.summing import Costs, costs_of
from taximeter.reports.figures import amount
from taximeter_sinks.queries import Ledger

__all__ = ["summary"]

_SUMS: Final = ("cost_usd", "calls", "unpriced_calls")
_TITLES: Final = {
    "by_model": "By model",
    "by_project": "By project",
    "by_weekday": "By day of the week",
    "by_day": "By day",
    "by_conversation": "Dearest conversations",
}
_SHORT: Final = ("by_model",)


@click.command()
@meant_options
@click.option("--detailed", is_flag=True, help="By project, day and conversation too.")
@click.option("--chart", is_flag=True, help="Draw the days as bars.")
@format_option
def summary(
    meant: Meant, output: Format | None, *, detailed: bool, chart: bool
) -> None:
    """Show what was spent today, this week, this month and in all, and on what.

    With a stretch of time or a filter: the sum of just those calls.
    """
    with opened(meant) as ledger:
        found = costs_of(ledger, meant.stretch, meant.now, meant.only, meant.home)
        _write(found, chosen_format(meant, output), detailed=detailed)
        if chart or (meant.config.reports.chart and output is None):
            _draw(found)
        _tell(ledger)


def _tell(ledger: Ledger) -> None:
    tell_what_is_missing(ledger)


def _write(found: Costs, output: Format, *, detailed: bool) -> None:
    wanted = _TITLES if detailed else _SHORT
    sections = {name: getattr(found, name) for name in wanted}
    if output == "json":
        write_object({"total": found.row, "periods": found.periods, **sections})
    elif output == "csv":
        write_rows(_flat(found, sections), "csv", ("by", "value", *_SUMS))
    else:
        _write_sections(found, sections, output)


def _flat(
    found: Costs, sections: dict[str, list[dict[str, Any]]]
) -> list[dict[str, Any]]:
    rows = [{"by": "total", "value": None, **found.row}]
    rows += [{"by": "period", "value": row["period"], **row} for row in found.periods]
    for section, some in sections.items():
        name = section.removeprefix("by_")
        rows += [{"by": name, "value": row[name], **row} for row in some]
    return rows


def _write_sections(
    found: Costs, sections: dict[str, list[dict[str, Any]]], output: Format
) -> None:
    if found.periods:
        columns = ("period", *_SUMS, "average_usd")
        write_section("Spend", found.periods, output, columns)
    else:
        write_section("Spend", [found.row], output, _SUMS)
    for name, rows in sections.items():
        said = [name.removeprefix("by_"), "share_percent", *_SUMS]
        if name == "by_conversation":
            said = ["conversation", "name", "cost_usd", "calls", "last_at"]
        when = f" ({found.when})" if name == "by_model" and found.when else ""
        write_section(f"{_TITLES[name]}{when}", rows, output, said)


def _draw(found: Costs) -> None:
    bars = [(str(row["day"]), amount(row["cost_usd"])) for row in found.by_day]
    click.echo(bar_chart(bars, width()))
