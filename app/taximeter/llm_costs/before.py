"""Before a call: whether it may be made, and of which model.

Light where there is no limit and nothing to ask: then it reads two small files.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import click

from taximeter.llm_costs.config import CostsConfig, read_config
from taximeter.llm_costs.for_whom import ForWhom
from taximeter.llm_costs.home import Home
from taximeter.llm_costs.kept_budgets import budget_events, budgets_in_force, follow
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.errors import BudgetExceeded, ConfigurationError, TaximeterError

__all__ = ["BudgetReached", "Permission", "TagsMissing", "allowed", "unmetered"]


class BudgetReached(BudgetExceeded, click.ClickException):
    """A limit has stopped a call; the tool shows it as one line and ends.

    It says what to do about it with the commands of the tool.
    """

    def __init__(self, reached: BudgetExceeded, words: str) -> None:
        BudgetExceeded.__init__(
            self,
            reached.limit,
            reached.spent,
            reached.subject,
            budget_id=reached.budget_id,
            estimate=reached.estimate,
            unit=reached.unit,
            resets_at=reached.resets_at,
        )
        self.message = words
        self.args = (words,)

    def __str__(self) -> str:
        return self.message


class TagsMissing(TaximeterError, click.ClickException):
    """A call without a tag was to be made, and `costs.yaml` requires one."""

    def __init__(self) -> None:
        self.message = (
            "this call has no tag, and costs.yaml says require_tags: give --tags NAME"
        )
        super().__init__(self.message)


class Permission(NamedTuple):
    """A call may be made: by what, whether it is noted, with which further tags."""

    make: Callable[..., Any]
    track: bool
    tags: tuple[str, ...]


def unmetered(model: Any) -> Callable[..., Any]:  # noqa: ANN401
    """Return what makes a model's calls without looking at them."""
    make: Callable[..., Any] = getattr(model.execute, "__wrapped__", model.execute)
    return make


def allowed(
    home: Home,
    model: Any,  # noqa: ANN401 - the tool's own
    prompt: Any,  # noqa: ANN401
    response: Any,  # noqa: ANN401
    whom: ForWhom,
) -> Permission:
    """Say that a call may be made.

    Raises:
        BudgetReached: a hard limit is reached, and nobody said to ignore it.
        TagsMissing: it has no tag and needs one.
        NotWanted: whoever was asked about its cost did not say yes.
    """
    config = _config(home)
    calls = config.calls
    if not calls.track:
        return Permission(unmetered(model), track=False, tags=())
    if calls.require_tags and not (whom.tags or calls.tags):
        raise TagsMissing
    make = unmetered(model)
    asks = whom.ask_first or calls.ask_above_usd is not None
    if asks or _is_limited(home, config):
        from taximeter.llm_costs.gate import Asking, decide  # noqa: PLC0415

        make = decide(home, config, Asking(model, prompt, response, whom), make)
    return Permission(make, track=True, tags=calls.tags)


def _config(home: Home) -> CostsConfig:
    """Return what is set; a fault in it is told, and is no fault of the call."""
    try:
        return read_config(home)
    except ConfigurationError as error:
        click.echo(f"llm costs: {error}; going on without it", err=True)
        return CostsConfig()


def _is_limited(home: Home, config: CostsConfig) -> bool:
    """Tell whether any budget could stop a call or send it elsewhere."""
    follow(home, config, SystemClock().now())
    budgets = budgets_in_force(budget_events(home)).values()
    return any(budget.on_exceeded != "warn" for budget in budgets)
