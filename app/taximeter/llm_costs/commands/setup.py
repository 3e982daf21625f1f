"""`llm costs config`, `status` and `sql`."""

from __future__ import annotations

from typing import Any

import click

from taximeter.cli.output import Format, write_object, write_rows
from taximeter.llm_costs.commands.asked import (
    Meant,
    chosen_format,
    format_option,
    meant_options,
    opened,
    tell_what_is_missing,
)
from taximeter.llm_costs.config import read_config
from taximeter.llm_costs.home import Home
from taximeter.llm_costs.kept_budgets import budget_events, budgets_in_force
from taximeter.llm_costs.kept_thresholds import usual_thresholds
from taximeter.llm_costs.telling import routes_file

__all__ = ["config", "sql", "status"]

_STATUS = """
    SELECT count(*) AS calls, count(*) FILTER (cost_usd IS NULL) AS unpriced_calls,
        min(occurred_at) AS first_at, max(occurred_at) AS last_at,
        sum(cost_usd) AS cost_usd FROM charges WHERE kind = 'charge'
"""


@click.command()
@click.option("--show-alerts", is_flag=True, help="Only how alerts are told.")
@format_option
def config(output: Format | None, *, show_alerts: bool) -> None:
    """Show what is set, and in which files."""
    home = Home.of_tool()
    told = _alerts(home)
    if not show_alerts:
        told = _settings(home) | told
    if output == "json":
        write_object(told)
        return
    rows = [{"setting": name, "value": value} for name, value in told.items()]
    write_rows(rows, output or "table", ("setting", "value"))


def _settings(home: Home) -> dict[str, Any]:
    found = read_config(home)
    return {
        "file": str(home.config) + ("" if home.config.exists() else " (not there)"),
        "ledger": str(home.ledger),
        "log": str(home.logs_db),
        "time_zone": found.zone,
        **{f"calls.{k}": v for k, v in found.calls.model_dump(mode="json").items()},
        **{f"reports.{k}": v for k, v in found.reports.model_dump(mode="json").items()},
        **{f"prices.{k}": v for k, v in found.prices.model_dump(mode="json").items()},
        "budgets": sorted(budgets_in_force(budget_events(home))),
    }


def _alerts(home: Home) -> dict[str, Any]:
    file = routes_file(home)
    routes = "terminal"
    if file.exists():
        from taximeter.notify.config import read_config as read  # noqa: PLC0415

        routes = ", ".join(f"{r.name} ({r.target})" for r in read(file).routes)
    return {
        "alerts.thresholds_percent": list(usual_thresholds(home)),
        "alerts.routes": routes,
        "alerts.file": str(file) + ("" if file.exists() else " (not there)"),
        "alerts.digests": list(read_config(home).alerts.digests),
    }


@click.command()
@meant_options
@format_option
def status(meant: Meant, output: Format | None) -> None:
    """Show whether calls are tracked, and how many the ledger has."""
    with opened(meant) as ledger:
        (row,) = ledger.sql(_STATUS).named()
        tell_what_is_missing(ledger)
    tracking = meant.config.calls.track
    told = {"tracking": tracking, "log": str(meant.home.logs_db), **row}
    form = chosen_format(meant, output)
    if form == "json":
        write_object(told)
    else:
        rows = [{"what": name, "value": value} for name, value in told.items()]
        write_rows(rows, form, ("what", "value"))


@click.command()
@click.argument("query")
@meant_options
@format_option
def sql(meant: Meant, output: Format | None, query: str) -> None:
    """Ask the ledger in SQL, read-only; docs/sql.md has its tables and macros."""
    with opened(meant) as ledger:
        found = ledger.sql(query)
    write_rows(found.named(), chosen_format(meant, output), found.columns)
