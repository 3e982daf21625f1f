"""`llm costs`: what the calls of Simon Willison's `llm` tool cost, without Kafka.

A plugin of that tool. It reads the tool's own log into a ledger of the same shape as
the sink's, with the workers' own pricing and budgets, in the tool's own process.
What programs need is importable from here, and looked up when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from taximeter.llm_costs.for_whom import calls_for
    from taximeter.llm_costs.programs import (
        cost_of,
        estimate_prompt,
        get_costs,
        set_budget,
    )

__all__ = ["calls_for", "cost_of", "estimate_prompt", "get_costs", "set_budget"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = "for_whom" if name == "calls_for" else "programs"
    value: object = getattr(import_module(f"{__name__}.{home}"), name)
    return value
