"""What a guard has to know of the budgets, from the ledger."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from taximeter_schemas.budgets import BudgetDefined, BudgetStatus, PlanAssigned
from taximeter_schemas.subjects import tag_of
from taximeter_sinks.queries import Ledger
from taximeter_sinks.sql_text import sql_literal

__all__ = ["budgets_in_force", "plans_assigned", "statuses_that_count"]

_DERIVED: Final = ("removed_at", "scope_kind")

# A rolling period's end is the last quarter of an hour in which something was said.
_COUNTING: Final = """
    SELECT * EXCLUDE (status_key) FROM budget_status
    WHERE period_end IS NULL OR period_end > {now} OR starts_with(period, 'rolling_')
    ORDER BY greatest(
        spent_usd / nullif(limit_usd, 0),
        tokens / nullif(limit_tokens, 0),
        calls / nullif(limit_calls, 0)
    ) DESC NULLS FIRST, budget_id, subject_id
    LIMIT {limit}
"""


def budgets_in_force(ledger: Ledger) -> list[BudgetDefined]:
    """Return every budget that was defined and not removed."""
    rows = ledger.sql("SELECT * FROM budgets WHERE removed_at IS NULL").named()
    return [_budget(row) for row in rows]


def plans_assigned(ledger: Ledger) -> list[PlanAssigned]:
    """Return which plan each user is on who was given one."""
    rows = ledger.sql("SELECT * FROM plan_assignments").named()
    event = {"event_type": "PlanAssigned"}
    return [PlanAssigned.model_validate(event | row) for row in rows]


def statuses_that_count(
    ledger: Ledger, now: datetime, limit: int
) -> list[BudgetStatus]:
    """Return the statuses of periods that are not over, the fullest first."""
    moment = f"TIMESTAMPTZ {sql_literal(now.isoformat())}"
    rows = ledger.sql(_COUNTING.format(now=moment, limit=int(limit))).named()
    bounds = ("period_start", "period_end")
    return [
        BudgetStatus.model_validate({name: None for name in bounds} | _said(row))
        for row in rows
    ]


def _said(row: dict[str, Any]) -> dict[str, Any]:
    """Return what a row says; what was added later is NULL in old ones."""
    return {name: value for name, value in row.items() if value is not None}


def _budget(row: dict[str, Any]) -> BudgetDefined:
    said = _said({k: v for k, v in row.items() if k not in _DERIVED})
    named = said.pop("scope", {})
    scope = {kind: name for kind, name in named.items() if tag_of(kind) is None}
    scope["tags"] = {tag_of(kind): v for kind, v in named.items() if tag_of(kind)}
    for name in ("exceptions", "plan"):
        if name in said:
            scope[name] = said.pop(name)
    return BudgetDefined.model_validate(said | {"scope": scope})
