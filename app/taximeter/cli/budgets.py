"""`taximeter budgets`: apply a file of them, list them, see how they stand."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import click

from taximeter.broker.admin import ensure_topics
from taximeter.budget_book import defined_budgets, publish_budgets
from taximeter.budget_files import Change, changes, parse_budgets, scope_as_written
from taximeter.budget_standing import budget_standing
from taximeter.cli.options import Format, data_option, format_option
from taximeter.cli.output import write_rows
from taximeter.cli.where import Where, where_options
from taximeter.logs import say
from taximeter.reading import open_ledger
from taximeter.state import DataDir
from taximeter_schemas.budgets import BudgetDefined, BudgetEvent, BudgetRemoved
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.errors import ConfigurationError

__all__ = ["command"]

Row = dict[str, object]


@click.group()
def command() -> None:
    """Apply, list and watch budgets."""


@command.command("apply")
@click.argument("file", type=click.File("r", encoding="utf-8"), metavar="FILE.yaml|-")
@where_options
@format_option
def apply(where: Where, file: click.utils.LazyFile, output: Format) -> None:
    """Define the budgets of a file; those that are as it says already stay untouched.

    Budgets that the file does not name are kept: 'remove' takes one away.
    """
    try:
        text = str(file.read())
    except UnicodeDecodeError:
        raise ConfigurationError(f"{file.name}: not UTF-8 text") from None
    wanted = parse_budgets(text, str(file.name), SystemClock().now())
    done = asyncio.run(_apply(where, wanted))
    columns = ("budget_id", "action")
    rows = [{"budget_id": budget.budget_id, "action": act} for act, budget in done]
    write_rows(rows, output, columns)
    counts = Counter(act for act, _ in done)
    say(", ".join(f"{counts[act]} {act}" for act in ("added", "changed", "unchanged")))


@command.command("list")
@where_options
@format_option
def list_(where: Where, output: Format) -> None:
    """List the budgets in force."""
    defined = asyncio.run(defined_budgets(where.kafka(), where.topics))
    rows = [_listed(defined[name], output) for name in sorted(defined)]
    columns = ["budget_id", *(name for name in _LISTED if name != "budget_id")]
    write_rows(rows, output, columns, "Budgets")
    if not rows:
        say("no budgets are defined: 'taximeter budgets apply FILE.yaml' defines some")


@command.command("status")
@data_option
@format_option
@click.option("--all", "past", is_flag=True, help="Past periods too.")
def status(data: Path, output: Format, *, past: bool) -> None:
    """Show how the budgets stand, the fullest first; from the ledger."""
    with open_ledger(DataDir(data)) as ledger:
        rows = budget_standing(ledger, SystemClock().now(), past=past)
    if output == "table" and sys.stdout.isatty():
        from taximeter.cli.budget_bars import print_bars  # noqa: PLC0415

        print_bars(rows)
    else:
        write_rows([_with_percent(row) for row in rows], output, _STANDING)
    if not rows:
        more = "" if past else "; --all shows past periods"
        say(f"nothing has been spent in a period of a budget{more}")


@command.command("remove")
@click.argument("budget_id", metavar="ID")
@where_options
def remove(where: Where, budget_id: str) -> None:
    """Remove a budget; what it has raised stays."""
    asyncio.run(_remove(where, budget_id))
    say(f"removed {budget_id}")


_LISTED = tuple(
    name
    for name in BudgetDefined.model_fields
    if name not in ("event_type", "schema_version")
)
_STANDING = (
    "budget_id",
    "subject_kind",
    "subject_id",
    "period",
    "period_start",
    "period_end",
    "limit_usd",
    "spent_usd",
    "remaining_usd",
    "used_percent",
    "state",
    "calls",
    "unpriced_calls",
)


async def _apply(where: Where, wanted: Sequence[BudgetDefined]) -> list[Change]:
    kafka = where.kafka()
    await ensure_topics(kafka, where.topics)
    todo = changes(wanted, await defined_budgets(kafka, where.topics))
    events = [budget for action, budget in todo if action != "unchanged"]
    await publish_budgets(kafka, where.topics, events)
    return todo


async def _remove(where: Where, budget_id: str) -> None:
    kafka = where.kafka()
    defined = await defined_budgets(kafka, where.topics)
    if budget_id not in defined:
        known = ", ".join(sorted(defined)) or "none is defined"
        raise ConfigurationError(f"there is no budget {budget_id!r}: {known}")
    event: BudgetEvent = BudgetRemoved(
        event_type="BudgetRemoved", budget_id=budget_id, removed_at=SystemClock().now()
    )
    await publish_budgets(kafka, where.topics, [event])


def _listed(budget: BudgetDefined, output: Format) -> Row:
    row: Row = {name: getattr(budget, name) for name in _LISTED}
    row["scope"] = scope_as_written(budget.scope)
    if output != "json":
        row["scope"] = _in_words(budget)
        row["thresholds_percent"] = " ".join(map(str, budget.thresholds_percent))
    return row


def _in_words(budget: BudgetDefined) -> str:
    written = scope_as_written(budget.scope)
    if isinstance(written, str):
        return written
    return " ".join(part for item in written.items() for part in item)


def _with_percent(row: Row) -> Row:
    spent, limit = row["spent_usd"], row["limit_usd"]
    assert isinstance(spent, Decimal)
    assert isinstance(limit, Decimal)
    percent = round(spent * 100 / limit, 1) if limit else None
    return {**row, "used_percent": percent}
