"""`taximeter budgets apply`, `remove`, `assign` and `history`: who set which limit."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from taximeter.applying_budgets import apply_wanted
from taximeter.budget_book import publish_budgets, read_book, this_person
from taximeter.budget_changes import Change, removal, told
from taximeter.budget_files import parse_budgets
from taximeter.budget_plans import assigning, assignment
from taximeter.cli.options import Format, data_option, format_option
from taximeter.cli.output import write_rows
from taximeter.cli.where import Where, where_options
from taximeter.logs import say
from taximeter.reading import open_ledger
from taximeter.state import DataDir
from taximeter_schemas.budgets import BudgetEvent, budget_event_adapter
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.errors import ConfigurationError
from taximeter_schemas.subjects import EACH
from taximeter_sinks.sql_text import sql_literal

__all__ = ["apply", "assign", "history", "remove"]

_COLUMNS: Final = ("budget_id", "user_id", "action", "changes")
_HISTORY: Final = (
    "SELECT changed_at, changed_by, change, budget_id, user_id, event "
    "FROM budget_changes"
)


@click.command()
@click.argument("file", type=click.File("r", encoding="utf-8"), metavar="FILE.yaml|-")
@where_options
@format_option
@click.option("--yes", is_flag=True, help="Do not ask, also in a terminal.")
@click.option("--prune", is_flag=True, help="Remove what the file does not name.")
@click.option("--dry-run", is_flag=True, help="Show what would change, and no more.")
def apply(
    where: Where,
    file: click.utils.LazyFile,
    output: Format,
    *,
    yes: bool,
    prune: bool,
    dry_run: bool,
) -> None:
    """Define the budgets of a file; those that are as it says already stay untouched.

    Shows what changes first, and asks if it is run in a terminal. Budgets that the
    file does not name are kept unless --prune is given.
    """
    who = this_person()
    wanted = parse_budgets(_text(file), str(file.name), SystemClock().now(), who)

    def agrees(todo: Sequence[Change]) -> bool:
        write_rows([_row(change) for change in todo], output, _COLUMNS, "Changes")
        say(_summary(todo))
        count = _count(todo)
        return count > 0 and not dry_run and (yes or _confirmed(count))

    kafka, topics = where.kafka(), where.topics
    done = apply_wanted(wanted, kafka, topics, who, prune=prune, agrees=agrees)
    if done:
        say(f"made {_count(done)} changes")


@click.command()
@click.argument("budget_id", metavar="ID")
@where_options
def remove(where: Where, budget_id: str) -> None:
    """Remove a budget; what it has raised stays."""
    asyncio.run(_remove(where, budget_id))
    say(f"removed {budget_id}")


@click.command()
@click.argument("user_id", metavar="USER")
@click.argument("plan", metavar="PLAN|none")
@where_options
def assign(where: Where, user_id: str, plan: str) -> None:
    """Put a user on a plan, '*' for all who are on none.

    What the user has spent in the period counts against the new plan's limit.
    """
    asyncio.run(_assign(where, user_id, None if plan == "none" else plan))
    everybody = "everybody who is on none"
    say(f"{everybody if user_id == EACH else user_id}: plan {plan}")


@click.command()
@click.argument("budget_id", metavar="[ID]", required=False)
@data_option
@format_option
def history(data: Path, output: Format, budget_id: str | None) -> None:
    """Show who changed which budget and plan when, the latest first; from the ledger.

    An ID shows that budget's changes only.
    """
    where = f" WHERE budget_id = {sql_literal(budget_id)}" if budget_id else ""
    with open_ledger(DataDir(data)) as ledger:
        answer = ledger.sql(f"{_HISTORY}{where} ORDER BY changed_at DESC")
    rows = answer.named()
    columns = [name for name in answer.columns if name != "event"]
    last = "changes" if output == "table" else "event"
    write_rows(map(_explained, rows), output, [*columns, last], "Changes of budgets")
    if not rows:
        say("no change is known")


def _count(todo: Sequence[Change]) -> int:
    return sum(change.event is not None for change in todo)


def _confirmed(count: int) -> bool:
    """Ask, if anybody is there to answer."""
    if sys.stdin.isatty() and not click.confirm(f"make {count} changes?", err=True):
        raise click.Abort
    return True


def _text(file: click.utils.LazyFile) -> str:
    try:
        return str(file.read())
    except UnicodeDecodeError:
        raise ConfigurationError(f"{file.name}: not UTF-8 text") from None


def _row(change: Change) -> dict[str, object]:
    return {
        "budget_id": change.budget_id,
        "user_id": change.user_id,
        "action": change.action,
        "changes": change.in_words(),
    }


def _explained(row: dict[str, object]) -> dict[str, object]:
    fields = told(budget_event_adapter.validate_json(str(row["event"])))
    return {**row, "changes": ", ".join(f"{k} {v}" for k, v in fields.items())}


def _summary(todo: Sequence[Change]) -> str:
    counts = Counter(change.action for change in todo)
    said = [f"{counts[act]} {act}" for act in ("added", "changed", "unchanged")]
    said += [f"{counts[act]} {act}" for act in ("removed",) if counts[act]]
    if kept := counts["kept"]:
        said.append(f"{kept} not in the file and kept (--prune removes them)")
    return ", ".join(said)


async def _remove(where: Where, budget_id: str) -> None:
    kafka = where.kafka()
    defined = (await read_book(kafka, where.topics)).budgets
    if budget_id not in defined:
        known = ", ".join(sorted(defined)) or "none is defined"
        raise ConfigurationError(f"there is no budget {budget_id!r}: {known}")
    gone = removal(budget_id, SystemClock().now(), this_person())
    await publish_budgets(kafka, where.topics, [gone])


async def _assign(where: Where, user_id: str, plan: str | None) -> None:
    kafka = where.kafka()
    now, who = SystemClock().now(), this_person()
    events: Sequence[BudgetEvent]
    if plan is None:
        events = [assignment(user_id, None, now, who)]
    else:
        budgets = (await read_book(kafka, where.topics)).budgets.values()
        events = assigning(user_id, plan, budgets, now, who)
    await publish_budgets(kafka, where.topics, events)
