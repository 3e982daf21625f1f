"""`taximeter budgets`: apply a file of them, list them, see how they stand."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from taximeter.budget_book import read_book
from taximeter.budget_outlook import OUTLOOK, with_outlook
from taximeter.budget_scopes import scope_as_written, scope_in_words
from taximeter.budget_standing import budget_standing
from taximeter.cli.change_budgets import apply, assign, history, remove
from taximeter.cli.options import Format, data_option, format_option
from taximeter.cli.output import write_rows
from taximeter.cli.where import Where, where_options
from taximeter.logs import say
from taximeter.reading import open_ledger
from taximeter.state import DataDir
from taximeter_schemas.budgets import BudgetDefined
from taximeter_schemas.clock import SystemClock

__all__ = ["command"]

Row = dict[str, object]


@click.group()
def command() -> None:
    """Apply, list and watch budgets."""


command.add_command(apply)
command.add_command(remove)
command.add_command(assign)
command.add_command(history)


@command.command("list")
@where_options
@format_option
def list_(where: Where, output: Format) -> None:
    """List the budgets in force."""
    defined = asyncio.run(read_book(where.kafka(), where.topics)).budgets
    budgets = [defined[name] for name in sorted(defined)]
    if output == "table" and sys.stdout.isatty():
        write_rows(map(_in_short, budgets), output)
    else:
        rows = [_listed(budget, output) for budget in budgets]
        write_rows(rows, output, _LISTED if output == "json" else _SHOWN)
    if not budgets:
        say("no budgets are defined: 'taximeter budgets apply FILE.yaml' defines some")


@command.command("status")
@data_option
@format_option
@click.option("--all", "past", is_flag=True, help="Past periods too.")
def status(data: Path, output: Format, *, past: bool) -> None:
    """Show how the budgets stand and where they are going, the fullest first."""
    now = SystemClock().now()
    with open_ledger(DataDir(data)) as ledger:
        rows = with_outlook(ledger, budget_standing(ledger, now, past=past), now)
    if output == "table" and sys.stdout.isatty():
        from taximeter.cli.budget_bars import print_bars  # noqa: PLC0415

        print_bars(rows)
    else:
        write_rows(rows, output, _STANDING)
    if not rows:
        more = "" if past else "; --all shows past periods"
        say(f"nothing has been spent in a period of a budget{more}")


_LISTED = tuple(
    name
    for name in BudgetDefined.model_fields
    if name not in ("event_type", "schema_version")
)
_SHOWN = (
    "budget_id",
    "scope",
    "period",
    "time_zone",
    "limit",
    "thresholds_percent",
    "on_exceeded",
    "defined_at",
    "defined_by",
)
_STANDING = (
    "budget_id",
    "subject_kind",
    "subject_id",
    "period",
    "period_start",
    "period_end",
    "limit_usd",
    "limit_tokens",
    "limit_calls",
    "spent_usd",
    "remaining_usd",
    "tokens",
    "state",
    "calls",
    "unpriced_calls",
    "unit",
    "remaining",
    "reserved",
    *OUTLOOK,
)


def _listed(budget: BudgetDefined, output: Format) -> Row:
    row: Row = {name: getattr(budget, name) for name in _LISTED}
    row["scope"] = scope_as_written(budget.scope)
    if output != "json":
        row["scope"] = scope_in_words(budget.scope)
        row["thresholds_percent"] = " ".join(map(str, budget.thresholds_percent))
        row["limit"] = _limit(budget)
    return row


def _in_short(budget: BudgetDefined) -> Row:
    """Return what a terminal has room for; JSON has all of it, history who and when."""
    return {
        "budget": budget.budget_id,
        "for": scope_in_words(budget.scope),
        "limit": f"{_limit(budget)}, {_period(budget)}",
        "alerts at %": " ".join(map(str, budget.thresholds_percent)),
        "then": " to ".join(filter(None, (budget.on_exceeded, budget.fallback_model))),
    }


def _period(budget: BudgetDefined) -> str:
    if budget.period == "fixed":
        return (
            f"{budget.starts_at:%Y-%m-%d %H:%M%z} to {budget.ends_at:%Y-%m-%d %H:%M%z}"
        )
    zone = "" if budget.time_zone == "UTC" else f", {budget.time_zone}"
    handed_on = "".join(f", {what} rolls over" for what in budget.rollover)
    return f"{budget.period}{zone}{handed_on}"


def _limit(budget: BudgetDefined) -> str:
    if budget.limit is None:
        return "no limit"
    unit = "USD" if budget.unit == "usd" else budget.unit
    return f"{budget.limit.normalize():,f} {unit}"
