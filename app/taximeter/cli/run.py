"""`taximeter run`: a program whose calls the budgets allow, or are told to let pass."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from typing import Any, Final

import click

from taximeter.cli.options import tag_option
from taximeter.cli.where import Where, where_options
from taximeter_producers.around_program import AroundProgram
from taximeter_producers.guard.budget_guard import BudgetGuard
from taximeter_schemas.errors import BudgetExceeded, BudgetUnknown, ConfigurationError

__all__ = ["command"]

_WAIT_SECONDS: Final = 30.0


@click.command(context_settings={"allow_interspersed_args": False})
@click.argument("words", nargs=-1, required=True, metavar="-- COMMAND [ARG]…")
@click.option("--user", help="Whose calls they are.")
@click.option("--project", help="What they are for.")
@click.option("--session", help="In which session.")
@tag_option
@click.option("--model", metavar="M", help="What it will call, if it is one model.")
@click.option("--estimate-usd", metavar="USD", help="What all of it may cost.")
@click.option(
    "--ignore-budget",
    metavar="REASON",
    help="Run it whatever the budgets say; each of its events carries the reason.",
)
@where_options
def command(
    where: Where,
    words: tuple[str, ...],
    model: str | None,
    estimate_usd: str | None,
    tags: Mapping[str, str],
    **said: Any,  # noqa: ANN401 - the fields of `AroundProgram`
) -> None:
    """Run a program, unless a budget that stops calls has no room for it.

    Calls that the program makes are attributed as said here, where its own code says
    nothing else. It is asked once, at the beginning; guards inside the program go on
    asking, and with --ignore-budget they let everything pass.
    """
    program = shutil.which(words[0])
    if program is None:
        raise ConfigurationError(f"{words[0]}: there is no such command")
    around = AroundProgram(tags=AroundProgram.tagged(tags), **said)
    kafka = {"bootstrap": where.kafka(), "prefix": where.topics.prefix}
    asked = {name: said[name] for name in ("user", "project", "session")}
    _ask(where, around, **asked, tags=tags, model=model, estimate_usd=estimate_usd)
    at = {f"TAXIMETER_{name.upper()}": text for name, text in kafka.items()}
    os.execve(program, words, os.environ | at | around.environment())  # noqa: S606


def _ask(where: Where, around: AroundProgram, **call: Any) -> None:  # noqa: ANN401
    """Raise what stops the program, if anything does."""
    guard = BudgetGuard(where.kafka(), where.topics, when_unknown="fail_closed")
    try:
        with guard:
            guard.wait(_WAIT_SECONDS)
            decision = guard.check(**call, ignore_budget=around.ignore_budget)
        if decision.reason == "fallback":
            raise decision.over[0]  # a program cannot be told to call another model
    except (BudgetExceeded, BudgetUnknown) as stop:
        words = f"{stop}, or run it with --ignore-budget REASON"
        raise click.ClickException(words) from None
