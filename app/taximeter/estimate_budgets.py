"""What estimated calls would do to the budgets, from the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from taximeter.budget_standing import budget_standing
from taximeter.estimates import Asked, Estimate
from taximeter_schemas.subjects import EACH, EVERYTHING, Subject
from taximeter_sinks.queries import Ledger

__all__ = ["budgets_after"]

_IN_FORCE: Final = """
    SELECT budget_id, scope, exceptions, period, limit_usd FROM budgets
    WHERE removed_at IS NULL AND limit_usd IS NOT NULL
        AND plan IS NULL AND cardinality(scope) < 2
    ORDER BY budget_id
"""


def budgets_after(
    ledger: Ledger, now: datetime, calls: Iterable[tuple[Asked, Estimate]]
) -> list[dict[str, object]]:
    """Return how each budget in USD that the calls count against would stand.

    Not those for a plan, or for a combination such as one user with one model.

    Args:
        ledger: where budgets and what was spent are read.
        now: decides which periods are current.
        calls: what is thought of, with what it costs.
    """
    costs = _by_subject(calls)
    spent = {
        (row["budget_id"], (row["subject_kind"], row["subject_id"])): row["spent_usd"]
        for row in budget_standing(ledger, now)
    }
    budgets = ledger.sql(_IN_FORCE).named()
    return [
        _row(budget, subject, spent.get((budget["budget_id"], subject)), cost)
        for budget in budgets
        for subject, cost in costs.items()
        if _covers(budget["scope"] or {}, subject)
        and subject.id not in (budget["exceptions"] or ())
    ]


def _by_subject(calls: Iterable[tuple[Asked, Estimate]]) -> dict[Subject, Decimal]:
    costs: dict[Subject, Decimal] = {}
    for asked, estimated in calls:
        subjects = [EVERYTHING, Subject("model", asked.model)]
        if asked.user_id is not None:
            subjects.append(Subject("user", asked.user_id))
        if asked.project_id is not None:
            subjects.append(Subject("project", asked.project_id))
        for subject in subjects:
            costs[subject] = costs.get(subject, Decimal(0)) + estimated.cost_usd
    return costs


def _covers(scope: Mapping[str, str], subject: Subject) -> bool:
    if not scope:
        return subject == EVERYTHING
    return scope.get(subject.kind) in (EACH, subject.id)


def _row(
    budget: Mapping[str, Any], subject: Subject, spent: object, cost: Decimal
) -> dict[str, object]:
    before = spent if isinstance(spent, Decimal) else Decimal(0)
    after, limit = before + cost, budget["limit_usd"]
    return {
        "budget_id": budget["budget_id"],
        "for": f"{subject.kind} {subject.id}".strip(),
        "period": budget["period"],
        "limit_usd": limit,
        "spent_usd": before,
        "estimate_usd": cost,
        "after_usd": after,
        "state_after": "exceeded" if after >= limit and after else "within",
    }
