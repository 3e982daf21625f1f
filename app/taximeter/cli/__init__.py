"""The `taximeter` command: one file a command, loaded when it is called.

What `taximeter --help` shows stands here, so that it needs none of them.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

import click

from taximeter_schemas.errors import TaximeterError

__all__ = ["COMMANDS", "cli", "main"]

COMMANDS: Final = {
    "demo": "See it work: a real trace through the whole system.",
    "up": "Run everything: broker, workers, sink and API, supervised.",
    "emit": "Send usage events, one JSON object a line.",
    "run": "Run a program, unless budgets have no room for its calls.",
    "import": "Import logs of litellm, Langfuse, Helicone, llm, providers, CSV.",
    "report": "Show spend by user, model, project, day, …",
    "compare": "Hold periods, projects or models against each other.",
    "expensive": "Show the dearest conversations, endpoints and calls.",
    "optimise": "Show what would have been cheaper.",
    "export": "Write spend into a file: CSV, Excel, PDF, JSON, Parquet, FOCUS.",
    "reconcile": "Hold the ledger against what providers bill.",
    "sql": "Ask the ledger in SQL, read-only.",
    "budgets": "Apply, list and watch budgets.",
    "forecast": "Show what a period will come to.",
    "anomalies": "Show hours in which spend was far from usual.",
    "alerts": "Show the alerts that were raised.",
    "notify": "Deliver alerts to people: Slack, e-mail, webhooks, …",
    "prices": "Show what a model costs and what has no price; change prices.",
    "reprice": "Show or write what history costs at other prices.",
    "estimate": "Show what calls would cost, before they are made.",
    "dead-letters": "Show what could not be read, and send it once more.",
    "audit": "Recompute every charge and compare all books.",
    "status": "Show every part: running, lag, last flush, what it holds, URLs.",
    "worker": "Run one worker alone.",
    "sink": "Run the sink alone.",
    "api": "Run the HTTP API alone.",
    "tokens": "Make, list and revoke the API's tokens.",
    "broker": "Run the embedded Kafka alone.",
    "bench": "Measure, and print the table of targets.",
}

# A module cannot have the name of a Python statement.
_MODULES: Final = {"import": "import_logs"}
_INTERRUPTED: Final = 130
_FAILED: Final = 1


class _Lazy(click.Group):
    """A group that imports a command's module when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        name = _MODULES.get(cmd_name, cmd_name.replace("-", "_"))
        module = import_module(f"taximeter.cli.{name}")
        command: click.Command = module.command
        return command

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="taximeter")
def cli() -> None:
    """Taximeter: the running meter for LLM spend."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; a failure is one line on stderr and a non-zero exit."""
    sys.exit(_run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    try:
        answer = cli.main(arguments, prog_name="taximeter", standalone_mode=False)
        sys.stdout.flush()
    except click.Abort:
        return _INTERRUPTED
    except click.ClickException as error:
        return _told(_words(error), error.exit_code)
    except TaximeterError as error:
        return _told(str(error), _FAILED)
    except OSError as error:
        return _os_error(error)
    return answer if isinstance(answer, int) else 0


def _words(error: click.ClickException) -> str:
    words = error.format_message().rstrip(".")
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{words} (see '{context.command_path} --help')" if context else words


def _os_error(error: OSError) -> int:
    if error.errno == errno.EPIPE:
        # The reader has what it wanted; the interpreter must not find the pipe again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILED
    where = f": {error.filename}" if error.filename else ""
    return _told(f"{error.strerror or error}{where}", _FAILED)


def _told(words: str, code: int) -> int:
    click.echo(f"error: {' '.join(words.split())}", err=True)
    return code
