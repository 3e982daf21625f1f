"""The plugin of the `llm` tool: its commands, options for `llm prompt`, the meter.

The tool imports this whenever it starts, so it imports next to nothing: a test holds
it to that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, Final

import click
import llm

from taximeter.llm_costs.for_whom import calls_for
from taximeter.llm_costs.group import costs
from taximeter.llm_costs.metering import meter
from taximeter_schemas.errors import TaximeterError

__all__ = ["register_commands", "register_models"]

_PROMPTING: Final = ("prompt", "chat")


@llm.hookimpl(trylast=True)
def register_commands(cli: click.Group) -> None:
    """Add `llm costs`, and to `llm prompt` and `llm chat` what calls are told apart by.

    The tool has no hook for options of its commands; they are click's, and take more.
    """
    cli.add_command(costs)
    for name in _PROMPTING:
        command = cli.commands.get(name)
        if command is not None:
            _extend(command)


@llm.hookimpl(hookwrapper=True)
def register_models(model_aliases: list[Any]) -> Iterator[None]:
    """Meter the models that all plugins have registered."""
    yield
    for registered in model_aliases:
        for model in (registered.model, registered.async_model):
            if model is not None:
                meter(model)


def _extend(command: click.Command) -> None:
    taken = {name for option in command.params for name in option.opts}
    if "--project" in taken:
        return
    command.params += [
        click.Option(["--project"], help="What this is for: a project."),
        click.Option(["--tags"], default="", help="Tags: NAME or NAME=VALUE, …"),
        click.Option(
            ["--estimate-cost"], is_flag=True, help="Say what it costs, and ask first."
        ),
        click.Option(
            ["--ignore-budget"], is_flag=True, help="Make it whatever was spent."
        ),
    ]
    run = command.callback
    assert run is not None
    command.callback = _for_somebody(run)


def _for_somebody(run: Callable[..., Any]) -> Callable[..., Any]:
    def command(
        *given: Any,  # noqa: ANN401 - the command's own
        project: str | None,
        tags: str,
        estimate_cost: bool,
        ignore_budget: bool,
        **named: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        with ExitStack() as stack:
            said = calls_for(
                project, tags, ignore_budget=ignore_budget, ask_first=estimate_cost
            )
            try:
                stack.enter_context(said)
            except TaximeterError as error:
                raise click.ClickException(str(error)) from None
            return run(*given, **named)

    return command
