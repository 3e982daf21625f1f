"""`taximeter report`: spend from the ledger."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple

import click

from taximeter.cli.bars import bar_chart
from taximeter.cli.options import (
    Format,
    data_option,
    report_format_option,
    top_option,
)
from taximeter.cli.output import write_object, write_rows
from taximeter.cli.spend_tables import write_section, write_spend
from taximeter.cli.stretch_options import only_options, stretch_options
from taximeter.logs import say
from taximeter.provider_costs import COLUMNS, difference_rows, total_difference
from taximeter.reading import open_ledger
from taximeter.reports.figures import FIGURES, amount, figure_rows, with_shares
from taximeter.reports.overview import Overview, overview
from taximeter.spend_report import (
    LIST_SUMS,
    SUMS,
    Stretch,
    differs_from_list,
    parse_dimensions,
)
from taximeter.state import DataDir
from taximeter_schemas.clock import SystemClock
from taximeter_sinks.dimensions import Only
from taximeter_sinks.queries import Ledger

__all__ = ["command"]

Row = dict[str, object]

_SELLERS: Final = ("provider", "model")
_TITLES: Final = {
    "by_model": "By model",
    "by_user": "Top users",
    "by_project": "By project",
    "by_day": "By day",
}
_PERIODS: Final = (
    "period",
    "since",
    "cost_usd",
    "calls",
    "unpriced_calls",
    "average_usd",
    "top_models",
)


class _Question(NamedTuple):
    """What is asked of the ledger, and how the answer is wanted."""

    stretch: Stretch
    only: Only
    limit: int | None
    output: Format
    chart: bool


@click.command()
@data_option
@report_format_option
@click.option("--by", metavar="NAME[,…]", help="user, model, project, day, tag:NAME, …")
@stretch_options
@only_options
@top_option("At most so many rows.", default=None)
@click.option("--chart", is_flag=True, help="Draw the rows as bars, too.")
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
    stretch: Stretch,
    only: Only,
    limit: int | None,
    chart: bool,
    provider_cost: bool,
) -> None:
    """Show spend: in all, or by user, model, project, provider, session,
    conversation, endpoint, source, status, tag:NAME, hour, day, week, month, weekday
    or hour_of_day, or several of them.

    Calls without a known price are counted as unpriced and are in no sum.
    """  # noqa: D205 - click makes one paragraph of it
    asked = _Question(stretch, only, limit, output, chart)
    dimensions = parse_dimensions(by or "")
    with open_ledger(DataDir(data)) as ledger:
        if provider_cost:
            _write_differences(ledger, dimensions or _SELLERS, asked)
            return
        if dimensions:
            total = _write_by(ledger, dimensions, asked)
        else:
            total = _write_overview(ledger, asked)
    _tell_prices(total)


def _write_overview(ledger: Ledger, asked: _Question) -> Row:
    """Print the total and the usual sections; return the total."""
    now = SystemClock().now()
    found = overview(ledger, asked.stretch, now, asked.limit, asked.only)
    if asked.output == "json":
        write_object(found._asdict())
    elif asked.output == "csv":
        write_rows(_flat(found), "csv", ("by", "value", *SUMS, *LIST_SUMS))
    else:
        _write_sections(found, asked)
    return found.total


def _flat(found: Overview) -> list[Row]:
    rows: list[Row] = [{"by": "total", "value": None, **found.total}]
    rows += [{"by": "period", "value": r["period"], **r} for r in found.periods]
    for section in _TITLES:
        name = section.removeprefix("by_")
        of_section: list[Row] = getattr(found, section)
        rows += [{"by": name, "value": row[name], **row} for row in of_section]
    return rows


def _write_sections(found: Overview, asked: _Question) -> None:
    sections: dict[str, list[Row]] = {name: getattr(found, name) for name in _TITLES}
    sums = _sums([found.total, *chain.from_iterable(sections.values())])
    if found.periods:
        told = [
            row | {"top_models": _named(row["top_models"])} for row in found.periods
        ]
        write_section("Spend", told, asked.output, _PERIODS)
    else:
        write_section("Spend", [found.total], asked.output, sums)
    zone = asked.stretch.zone
    for name, title in _TITLES.items():
        shown = (name.removeprefix("by_"), "share_percent", *sums)
        here = f" ({zone})" if name == "by_day" and zone != "UTC" else ""
        write_section(f"{title}{here}", sections[name], asked.output, shown)
    _write_rhythm(found, asked.output)
    if asked.chart:
        _draw(found.by_day, ("day",))


def _write_rhythm(found: Overview, output: Format) -> None:
    columns = ("days", "number", "usd_per_day", "calls_per_day", "cost_usd", "calls")
    write_section("An average day", found.rhythm, output, columns)
    peak = ("hour_of_day", "share_percent", "cost_usd", "calls")
    write_section("Peak hours", found.peak_hours, output, peak)
    days = [
        row | {name: _named(row[name]) for name in ("top_models", "top_projects")}
        for row in found.peak_days
    ]
    dear = ("day", "share_percent", "cost_usd", "calls", "top_models", "top_projects")
    write_section("Dearest days", days, output, dear)


def _named(rows: object) -> str:
    assert isinstance(rows, list)
    return ", ".join(
        f"{row.get('model', row.get('project'))} {_percent(row['share_percent'])}"
        for row in rows
    )


def _percent(share: object) -> str:
    return "unpriced" if share is None else f"{share:.0f}%"


def _write_by(ledger: Ledger, by: Sequence[str], asked: _Question) -> Row:
    """Print spend by dimensions; return the total."""
    rows = figure_rows(ledger, by, asked.stretch, asked.limit, asked.only)
    (total,) = figure_rows(ledger, (), asked.stretch, only=asked.only)
    rows = with_shares(rows, total)
    if asked.output in {"table", "md"}:
        (last,) = with_shares([total], total)
        told = [*rows, {by[0]: "total", **dict.fromkeys(by[1:], ""), **last}]
        write_spend(told, asked.output, (*by, *_sums(told, *FIGURES)))
        if asked.chart:
            _draw(rows, by)
    else:
        write_rows(rows, asked.output, (*by, *SUMS, *FIGURES, *LIST_SUMS))
    return total


def _draw(rows: Sequence[Row], by: Sequence[str]) -> None:
    bars = [
        (" ".join(str(row[name] or "(none)") for name in by), amount(row["cost_usd"]))
        for row in rows
    ]
    click.echo(f"\n{bar_chart(bars, shutil.get_terminal_size().columns)}")


def _sums(rows: Iterable[Row], *figures: str) -> tuple[str, ...]:
    """Return what people are shown: the list's side where it is another."""
    listed = LIST_SUMS if any(map(differs_from_list, rows)) else ()
    return (*SUMS, *figures, *listed)


def _write_differences(ledger: Ledger, by: Sequence[str], asked: _Question) -> None:
    rows = difference_rows(ledger, by, asked.stretch, asked.limit, asked.only)
    total = total_difference(ledger, asked.stretch, asked.only)
    if asked.output in {"table", "md"}:
        rows.append({by[0]: "total", **dict.fromkeys(by[1:], ""), **total})
        rows = [{n: "" if v is None else v for n, v in row.items()} for row in rows]
    write_rows(rows, asked.output, (*by, *COLUMNS))
    if not (total["calls"] or total["unpriced_calls"]):
        say("no call in the ledger states what its provider takes for it")


def _tell_prices(total: Row) -> None:
    if total["unpriced_calls"]:
        say(
            f"{total['unpriced_calls']} calls have no known price and are in no sum: "
            f"'{_called()} --by provider,model' shows which"
        )
    if total["unlisted_calls"]:
        say(f"{total['unlisted_calls']} calls have a price that no list has")


def _called() -> str:
    """Return the words by which this was called: by another command, that one's."""
    context = click.get_current_context()
    around = context.parent
    by_another = around is not None and not isinstance(around.command, click.Group)
    return around.command_path if around and by_another else context.command_path
