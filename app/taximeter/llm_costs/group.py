"""`llm costs` and the commands in it, each imported when it is called.

What `llm costs --help` shows stands here, so that it needs none of them.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any, Final

import click

from taximeter_schemas.errors import TaximeterError

__all__ = ["COMMANDS", "costs"]

COMMANDS: Final = {
    "summary": "Show spend of today, this week, this month and all time.",
    "report": "Show or export spend by model, project, tag, day, …",
    "by-conversation": "Show the dearest conversations.",
    "by-tag": "Show spend by tag.",
    "compare": "Hold periods, projects or models against each other.",
    "estimate": "Show what prompts would cost, before they are made.",
    "batch": "Make the calls of a file of prompts, once the cost is agreed to.",
    "set-budget": "Say how much may be spent.",
    "remove-budget": "Take a budget back.",
    "budget-status": "Show how budgets stand, and where they are going.",
    "set-alerts": "Say when to be told, and how.",
    "test-alert": "Send an alert that nothing has raised.",
    "alerts": "Show the alerts that were raised.",
    "pricing": "Show what models cost, and which calls have no price.",
    "update-pricing": "Take over newer prices, or state one.",
    "config": "Show what is set, and where.",
    "status": "Show what is tracked, and whether anything is missing.",
    "sql": "Ask the ledger in SQL, read-only.",
}

_FILES: Final = {
    "by-conversation": "reports",
    "by-tag": "reports",
    "compare": "reports",
    "report": "reports",
    "summary": "summary",
    "estimate": "estimate",
    "batch": "batch",
    "set-budget": "budgets",
    "remove-budget": "budgets",
    "budget-status": "budgets",
    "set-alerts": "alerts",
    "test-alert": "alerts",
    "alerts": "alerts",
    "pricing": "prices",
    "update-pricing": "prices",
    "config": "setup",
    "status": "setup",
    "sql": "setup",
}
_SUMMARY: Final = "summary"


class _Costs(click.Group):
    """A group whose command is the summary where none is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"taximeter.llm_costs.commands.{_FILES[cmd_name]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ("-h", "--help")):
            args = [_SUMMARY, *args]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - what a command gives
        try:
            return super().invoke(ctx)
        except TaximeterError as error:
            if isinstance(error, click.ClickException):
                raise
            raise click.ClickException(" ".join(str(error).split())) from None
        finally:
            sys.stdout.flush()

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group("costs", cls=_Costs)
def costs() -> None:
    """Show what calls cost, and hold them to budgets.

    Without a command: the summary, whose options 'llm costs summary --help' shows.
    """
