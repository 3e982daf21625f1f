"""`llm costs report`, `by-conversation`, `by-tag` and `compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from taximeter.cli import compare as comparing
from taximeter.cli import expensive, export
from taximeter.cli import report as reporting
from taximeter.cli.output import Format, write_rows
from taximeter.cli.spend_tables import write_spend
from taximeter.llm_costs.commands.asked import (
    Meant,
    chosen_format,
    format_option,
    meant_options,
    opened,
    tell_what_is_missing,
)
from taximeter.llm_costs.conversations import with_names
from taximeter.llm_costs.for_whom import tags_from
from taximeter.reports.comparing import METRICS
from taximeter.reports.figures import figure_rows
from taximeter_sinks.dear_calls import conversations_query
from taximeter_sinks.queries import Ledger

__all__ = ["by_conversation", "by_tag", "compare", "report"]

Row = dict[str, Any]

_top: Final = click.option(
    "--top", "limit", type=click.IntRange(1), metavar="N", help="At most so many rows."
)
_THREADS: Final = ("conversation", "name", "cost_usd", "calls", "unpriced_calls")
_TAGS: Final = "SELECT DISTINCT unnest(map_keys(tags)) AS tag FROM charges ORDER BY 1"


@click.command()
@meant_options
@click.option("--by", metavar="NAME[,…]", help="model, project, tag:NAME, day, week, …")
@_top
@click.option("--include-chart", "--chart", "chart", is_flag=True, help="Draw bars.")
@click.option("--detailed", is_flag=True, help="Every call, the dearest first.")
@click.option(
    "--export",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Into a file: .csv, .xlsx, .pdf, .json, .parquet.",
)
@format_option
@click.pass_context
def report(
    ctx: click.Context,
    meant: Meant,
    output: Format | None,
    by: str | None,
    limit: int | None,
    path: Path | None,
    *,
    chart: bool,
    detailed: bool,
) -> None:
    """Show spend over a stretch of time, or write it into a file."""
    with opened(meant):
        pass  # it is up to date now, and the commands below open it themselves
    form = chosen_format(meant, output)
    asked = meant.options()
    if path is not None:
        nothing = dict.fromkeys(("bootstrap", "prefix", "partitions", "given"))
        file = {"path": path, "by": by or "", "account": "llm"}
        ctx.invoke(export.command, **asked, **nothing, **file)
        return
    drawn = chart or (meant.config.reports.chart and output is None)
    shown = {"output": form, "limit": limit}
    if detailed:
        calls = {**shown, "limit": limit or _ALL_CALLS}
        ctx.invoke(expensive.command, **asked, **calls, what="calls")
        return
    ctx.invoke(
        reporting.command, **asked, **shown, by=by, chart=drawn, provider_cost=False
    )


_ALL_CALLS: Final = 1_000_000


@click.command("by-conversation")
@meant_options
@_top
@format_option
def by_conversation(meant: Meant, output: Format | None, limit: int | None) -> None:
    """Show which conversations cost most, by the names that they have in the log."""
    with opened(meant) as ledger:
        stretch = meant.stretch
        query = conversations_query(
            stretch.start, stretch.end, limit or _MOST, only=meant.only
        )
        rows = with_names(meant.home, ledger.sql(query).named())
        columns = (*_THREADS, "models", "last_at")
        write_spend(rows, chosen_format(meant, output), columns)
        tell_what_is_missing(ledger)


_MOST: Final = 10


@click.command("by-tag")
@meant_options
@click.option("--tags", default="", metavar="NAME,…", help="Of these; else of all.")
@_top
@format_option
def by_tag(meant: Meant, output: Format | None, tags: str, limit: int | None) -> None:
    """Show what calls with a tag cost, by its values and by model.

    A call with several tags counts under each: rows of different tags do not add up.
    """
    # --tag names a tag here; whoever wants one value says so.
    named = [name for name in meant.only if name.startswith("tag:")]
    wanted = dict.fromkeys(name.removeprefix("tag:") for name in named)
    wanted |= dict.fromkeys(tags_from(tags))
    with opened(meant) as ledger:
        known = [str(name) for (name,) in ledger.sql(_TAGS).rows]
        rows = [row for tag in wanted or known for row in _of_tag(ledger, meant, tag)]
        columns = ("tag", "value", "model", "cost_usd", "calls", "unpriced_calls")
        write_rows_of_spend(rows[:limit], chosen_format(meant, output), columns)
        tell_what_is_missing(ledger)


def _of_tag(ledger: Ledger, meant: Meant, tag: str) -> list[Row]:
    dimension = f"tag:{tag}"
    rows = figure_rows(ledger, (dimension, "model"), meant.stretch, None, meant.only)
    return [
        {"tag": tag, "value": row[dimension], **row}
        for row in rows
        if row[dimension] is not None
    ]


def write_rows_of_spend(
    rows: list[Row], output: Format, columns: tuple[str, ...]
) -> None:
    """Print rows of spend, or nothing but the columns where there are none."""
    if rows or output != "table":
        write_spend(rows, output, columns)
    else:
        write_rows([], output, columns)


@click.command()
@meant_options
@click.option("--periods", metavar="P1,P2", help="2026-10,2026-11; years, days, too.")
@click.option("--projects", "named_projects", metavar="A,B", help="Projects.")
@click.option("--models", "named_models", metavar="A,B", help="Models.")
@click.option("--metric", type=click.Choice(METRICS), default="cost", show_default=True)
@click.option("--by", help="By what.  [default: model, of models project]")
@_top
@format_option
@click.pass_context
def compare(
    ctx: click.Context,
    /,
    meant: Meant,
    output: Format | None,
    limit: int | None,
    periods: str | None,
    named_projects: str | None,
    named_models: str | None,
    **named: Any,  # noqa: ANN401 - as `taximeter compare` has them
) -> None:
    """Hold periods, projects or models against each other."""
    with opened(meant):
        pass  # as above
    ctx.invoke(
        comparing.command,
        **meant.options(),
        **named,
        output=chosen_format(meant, output),
        limit=limit or _MOST,
        period=periods,
        project=named_projects,
        model=named_models,
    )
