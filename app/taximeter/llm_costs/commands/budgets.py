"""`llm costs set-budget`, `remove-budget` and `budget-status`."""

from __future__ import annotations

import sys
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import click

from taximeter.alert_words import plain_usd
from taximeter.budget_outlook import with_outlook
from taximeter.budget_scopes import scope_in_words
from taximeter.budget_standing import budget_standing
from taximeter.cli.output import Format, write_rows
from taximeter.llm_costs.commands.asked import (
    Meant,
    chosen_format,
    format_option,
    meant_options,
    opened,
)
from taximeter.llm_costs.commands.spread import Spread
from taximeter.llm_costs.config import read_config
from taximeter.llm_costs.home import Home
from taximeter.llm_costs.kept_budgets import (
    budget_events,
    budgets_in_force,
    keep,
)
from taximeter.llm_costs.setting_budgets import Wanted, defined
from taximeter.logs import say
from taximeter_schemas.budgets import BudgetRemoved, Period
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.errors import ConfigurationError
from taximeter_schemas.subjects import Subject, dimensions_of

__all__ = ["budget_status", "remove_budget", "set_budget"]

_PERIODS: Final[dict[str, Period]] = {
    "daily": "day",
    "weekly": "week",
    "monthly": "month",
    "quarterly": "quarter",
    "yearly": "year",
    "ever": "total",
}
_STANDING: Final = (
    "budget_id",
    "subject_kind",
    "subject_id",
    "period",
    "limit_usd",
    "spent_usd",
    "remaining_usd",
    "used_percent",
    "state",
    "days_left",
    "average_a_day",
    "projected",
    "crosses_at",
    "unpriced_calls",
)


def _periods(function: Any) -> Any:  # noqa: ANN401 - a click command
    for name in reversed(_PERIODS):
        function = click.option(
            f"--{name}", "period", flag_value=_PERIODS[name], help=f"A {name} budget."
        )(function)
    return function


@click.command("set-budget", cls=Spread, spread=("--alert-at",))
@click.argument("amount", metavar="USD")
@_periods
@click.option("--project", help="For a project's calls.")
@click.option("--model", help="For a model's calls.")
@click.option("--tag", metavar="NAME[=VALUE]", help="For calls with a tag.")
@click.option("--hard-limit", is_flag=True, help="Stop calls once it is used up.")
@click.option("--fallback", metavar="MODEL", help="Ask that model once it is used up.")
@click.option("--alert-at", multiple=True, metavar="SHARE …", help="0.8 0.9 1.0")
def set_budget(amount: str, period: Period | None, **said: Any) -> None:  # noqa: ANN401
    """Say how much may be spent: in a month, or as an option says.

    Setting the same kind of budget again takes the place of the one before. What was
    spent in the period already counts.
    """
    home = Home.of_tool()
    wanted = Wanted(_usd(amount), period or "month", **said)
    budget = defined(home, read_config(home), wanted, SystemClock().now())
    keep(home, [budget])
    limit = plain_usd(budget.limit_usd or Decimal(0))
    told = ", ".join(f"{percent}%" for percent in budget.thresholds_percent)
    then = {"block": "calls are stopped", "warn": "you are told", "fallback": ""}
    what = then[budget.on_exceeded] or f"{budget.fallback_model} is asked"
    say(
        f"budget {budget.budget_id}: {limit} USD a {budget.period} for "
        f"{scope_in_words(budget.scope)}; told at {told}; once it is used up {what}"
    )


@click.command("remove-budget")
@click.argument("name")
def remove_budget(name: str) -> None:
    """Take a budget back; 'llm costs budget-status' has its name."""
    home = Home.of_tool()
    budgets = budgets_in_force(budget_events(home))
    if name not in budgets:
        known = ", ".join(sorted(budgets)) or "none"
        raise ConfigurationError(f"there is no budget {name!r}: there are {known}")
    event = BudgetRemoved(
        event_type="BudgetRemoved",
        budget_id=name,
        removed_at=SystemClock().now(),
        removed_by=home.owner(),
    )
    keep(home, [event])
    say(f"budget {name} is removed")


@click.command("budget-status")
@meant_options
@click.option("--all", "past", is_flag=True, help="Past periods too.")
@format_option
def budget_status(meant: Meant, output: Format | None, *, past: bool) -> None:
    """Show what is spent of each budget, what is left, and where it is going.

    With --project or --model: the budgets that are about it.
    """
    with opened(meant) as ledger:
        standing = budget_standing(ledger, meant.now, past=past)
        about = [row for row in standing if _is_about(row, meant)]
        rows = with_outlook(ledger, about, meant.now)
    form = chosen_format(meant, output)
    if form == "table" and sys.stdout.isatty():
        from taximeter.cli.budget_bars import print_bars  # noqa: PLC0415

        print_bars(rows)
    else:
        write_rows(rows, form, _STANDING)
    if not rows:
        say("there is no such budget: 'llm costs set-budget 20 --monthly' sets one")


def _is_about(row: dict[str, Any], meant: Meant) -> bool:
    """Tell whether a budget is about all that was named."""
    kinds = dimensions_of(str(row["subject_kind"]))
    subject = Subject(str(row["subject_kind"]), str(row["subject_id"]))
    named = dict(zip(kinds, subject.values, strict=True))
    return all(named.get(kind) in some for kind, some in meant.only.items())


def _usd(text: str) -> Decimal:
    try:
        amount = Decimal(text.lstrip("$"))
    except InvalidOperation:
        amount = Decimal("nan")
    if not amount.is_finite() or amount < 0:
        raise ConfigurationError(
            f"{text!r} is no amount in US dollars: write 20 or 2.50"
        )
    return amount
