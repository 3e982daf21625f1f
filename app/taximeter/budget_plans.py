"""Plans: a limit by name, and who is on which.

Pure. A plan is a budget for each user who is on it, with the id `plan:NAME`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, cast

from taximeter_schemas.budgets import BudgetDefined, PlanAssigned
from taximeter_schemas.errors import ConfigurationError
from taximeter_schemas.subjects import EACH, Scope

__all__ = ["PLANS", "assigning", "assignment", "assignments_from", "plan_budgets"]

PLANS: Final[Mapping[str, Mapping[str, object]]] = {
    "free": {"limit_usd": 1},
    "basic": {"limit_usd": 10},
    "pro": {"limit_usd": 100},
    "enterprise": {},
}
"""The plans that need not be defined: USD a month; the last one has no limit."""

_MONTH: Final = "month"
_ID: Final = "plan:"


def plan_budgets(fields: Mapping[object, object], now: datetime) -> list[BudgetDefined]:
    """Return the budgets of the plans that a file defines or names.

    Raises:
        ConfigurationError: says what is wrong.
        ValidationError: a plan's limits are none.
    """
    stated = _mapping(fields, "plans")
    named = set(_assigned(fields).values()) - set(stated)
    unknown = sorted(named - set(PLANS))
    if unknown:
        known = ", ".join((*stated, *PLANS))
        raise ConfigurationError(
            f"assignments: no plan {unknown[0]!r}; there are {known}"
        )
    plans = dict(stated) | {name: PLANS[name] for name in sorted(named)}
    return [_budget(name, limits, now) for name, limits in plans.items()]


def assignments_from(
    fields: Mapping[object, object], now: datetime, who: str | None = None
) -> list[PlanAssigned]:
    """Return who is on which plan, as a file says; user `*` is everybody else.

    Raises:
        ConfigurationError: says what is wrong.
    """
    assigned = _assigned(fields).items()
    return [assignment(user, plan, now, who) for user, plan in assigned]


def assigning(
    user_id: str,
    plan: str,
    budgets: Iterable[BudgetDefined],
    now: datetime,
    who: str | None,
) -> list[BudgetDefined | PlanAssigned]:
    """Return what puts a user on a plan; one that is known is defined if need be.

    Raises:
        ConfigurationError: there is no such plan; says which there are.
    """
    plans = {budget.scope.plan for budget in budgets} - {None}
    if plan not in {*plans, *PLANS}:
        known = ", ".join(sorted(filter(None, {*plans, *PLANS})))
        raise ConfigurationError(f"there is no plan {plan!r}: {known}")
    on = assignment(user_id, plan, now, who)
    if plan in plans:
        return [on]
    return [_budget(plan, PLANS[plan], now).model_copy(update={"defined_by": who}), on]


def assignment(
    user_id: str, plan: str | None, now: datetime, who: str | None = None
) -> PlanAssigned:
    """Return that a user is on a plan from now on, or on none."""
    stated = {"event_type": "PlanAssigned", "user_id": user_id, "plan": plan}
    signed = {"assigned_at": now, "assigned_by": who}
    return PlanAssigned.model_validate(stated | signed)


def _budget(name: str, limits: object, now: datetime) -> BudgetDefined:
    if not isinstance(limits, Mapping):
        raise ConfigurationError(
            f"plans.{name}: is a mapping such as {{limit_usd: 10}}"
        )
    own = {
        "budget_id": _ID + name,
        "scope": Scope(user=EACH, plan=name),
        "defined_at": now,
    }
    given = cast("Mapping[str, object]", limits)
    return BudgetDefined.model_validate({"period": _MONTH, **given, **own})


def _assigned(fields: Mapping[object, object]) -> dict[str, str]:
    assigned = {
        str(user): str(plan) for user, plan in _mapping(fields, "assignments").items()
    }
    default = fields.get("default_plan")
    return assigned if default is None else {EACH: str(default)} | assigned


def _mapping(fields: Mapping[object, object], name: str) -> dict[str, object]:
    found = fields.get(name) or {}
    if not isinstance(found, dict):
        raise ConfigurationError(f"{name}: is a mapping")
    entries = cast("dict[object, object]", found)
    return {str(key): value for key, value in entries.items()}
