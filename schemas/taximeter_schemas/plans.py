"""Which plan each user is on.

A budget with a plan is for those who are on it; the plan of user `*` is that of
everybody who was given none.
"""

from __future__ import annotations

from taximeter_schemas.budgets import BudgetDefined, PlanAssigned
from taximeter_schemas.subjects import EACH, Subject

__all__ = ["Plans"]


class Plans:
    """The plans that were assigned, the latest of each user.

    >>> plans = Plans()
    >>> plans.of("alice") is None
    True
    """

    def __init__(self) -> None:
        self._plans: dict[str, str] = {}

    def copy(self) -> Plans:
        """Return the same, which does not learn what this one does."""
        same = Plans()
        same._plans = dict(self._plans)
        return same

    def learn(self, event: PlanAssigned) -> None:
        """Take an assignment in; one to no plan leaves the user to what `*` says."""
        if event.plan is None:
            self._plans.pop(event.user_id, None)
        else:
            self._plans[event.user_id] = event.plan

    def of(self, user_id: str) -> str | None:
        """Return the plan that a user is on, None for none."""
        return self._plans.get(user_id) or self._plans.get(EACH)

    def cover(self, budget: BudgetDefined, subject: Subject) -> bool:
        """Tell whether a subject's spend counts against a budget."""
        scope = budget.scope
        if not scope.covers(subject):
            return False
        return scope.plan is None or self.of(subject.id) == scope.plan
