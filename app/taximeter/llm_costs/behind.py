"""Behind a call: budgets are looked at, and what they have to say is told.

Where there is no budget and no digest nothing is imported and nothing happens.
"""

from __future__ import annotations

from typing import Final

import click

from taximeter.llm_costs.config import read_config
from taximeter.llm_costs.home import Home
from taximeter.llm_costs.kept_budgets import budget_events, budgets_in_force

__all__ = ["counted"]

_ASKED: Final = "taximeter.llm_costs.behind"


def counted(home: Home) -> None:
    """Tell of alerts, now that one more call counts.

    Within a command of the tool when that is over: the answer comes first.
    """
    context = click.get_current_context(silent=True)
    if context is None:
        _look(home)
    elif _ASKED not in context.meta:
        context.meta[_ASKED] = True
        context.call_on_close(lambda: _look(home))


def _look(home: Home) -> None:
    try:
        config = read_config(home)
        wanted = config.alerts.digests or budgets_in_force(budget_events(home))
        if not wanted:
            return
        from taximeter.llm_costs.books import bring_up_to_date  # noqa: PLC0415
        from taximeter.llm_costs.telling import tell  # noqa: PLC0415

        tell(home, bring_up_to_date(home, config).alerts)
    except Exception as error:
        click.echo(f"llm costs: budgets were not looked at: {error}", err=True)
