"""The budgets of one person: a file with an event a line, as the topic has them.

Light: a call that is about to be made asks it first whether there is any limit at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from taximeter.llm_costs.config import CostsConfig
from taximeter.llm_costs.home import Home
from taximeter_schemas.budgets import (
    BudgetDefined,
    BudgetEvent,
    BudgetRemoved,
    Period,
    budget_event_adapter,
)
from taximeter_schemas.subjects import Scope

__all__ = ["budget_events", "budget_name", "budgets_in_force", "follow", "keep"]

_FILE: Final = "costs.yaml"
_ENVIRONMENT: Final = "LLM_COSTS_MONTHLY_USD"
_DECLARED: Final = (_FILE, _ENVIRONMENT)


def budget_events(home: Home) -> list[BudgetEvent]:
    """Return every definition and removal, in their order."""
    if not home.budgets.exists():
        return []
    lines = home.budgets.read_bytes().splitlines()
    return [budget_event_adapter.validate_json(line) for line in lines if line]


def budgets_in_force(events: Iterable[BudgetEvent]) -> dict[str, BudgetDefined]:
    """Return the budgets that were not removed, by their ids."""
    budgets: dict[str, BudgetDefined] = {}
    for event in events:
        if isinstance(event, BudgetDefined):
            budgets[event.budget_id] = event
        elif isinstance(event, BudgetRemoved):
            budgets.pop(event.budget_id, None)
    return budgets


def keep(home: Home, events: Iterable[BudgetEvent]) -> None:
    """Write events down behind those that stand there."""
    lines = b"".join(event.model_dump_json().encode() + b"\n" for event in events)
    if lines:
        with home.made().budgets.open("ab") as file:
            file.write(lines)


def budget_name(period: Period, scope: Scope) -> str:
    """Return the id of the one budget of such a kind: setting it again replaces it.

    >>> budget_name("month", Scope(project="search", model="gpt-4o"))
    'month-model-gpt-4o-project-search'
    """
    named = [f"-{kind}-{value}" for kind, value in scope.named().items()]
    return period + "".join(named)


def follow(home: Home, config: CostsConfig, now: datetime) -> None:
    """Define what `costs.yaml` and the environment declare, and take back the rest.

    What `llm costs set-budget` defined under the same id stays as it is.
    """
    known = budgets_in_force(budget_events(home))
    declared = _declared(config, now)
    keep(home, _changes(known, declared, now))


def _changes(
    known: Mapping[str, BudgetDefined],
    declared: Mapping[str, BudgetDefined],
    now: datetime,
) -> list[BudgetEvent]:
    changes: list[BudgetEvent] = []
    for name, budget in declared.items():
        before = known.get(name)
        ours = before is None or before.defined_by in _DECLARED
        if ours and not _same(before, budget):
            changes.append(budget)
    for name, budget in known.items():
        if budget.defined_by in _DECLARED and name not in declared:
            changes.append(
                BudgetRemoved(
                    event_type="BudgetRemoved",
                    budget_id=name,
                    removed_at=now,
                    removed_by=budget.defined_by,
                )
            )
    return changes


def _same(before: BudgetDefined | None, budget: BudgetDefined) -> bool:
    if before is None:
        return False
    return before == budget.model_copy(update={"defined_at": before.defined_at})


def _declared(config: CostsConfig, now: datetime) -> dict[str, BudgetDefined]:
    declared: dict[str, BudgetDefined] = {}
    if config.monthly_usd is not None:
        name = budget_name("month", Scope())
        declared[name] = BudgetDefined(
            budget_id=name,
            period="month",
            time_zone=config.zone,
            limit_usd=config.monthly_usd,
            on_exceeded="warn",
            defined_at=now,
            defined_by=_ENVIRONMENT,
        )
    if config.budgets:
        from taximeter.budget_files import budget_from  # noqa: PLC0415 - not for all

        for entry in config.budgets:
            zoned = {"time_zone": config.zone, "on_exceeded": "warn", **entry}
            if entry.get("fallback_model"):
                zoned["on_exceeded"] = "fallback"
            budget = budget_from(zoned, now)
            own = budget.model_copy(update={"defined_by": _FILE})
            declared[own.budget_id] = own
    return declared
