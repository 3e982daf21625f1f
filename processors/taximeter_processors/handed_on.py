"""What a period hands on to the next: what it left of its limit, or spent above it.

Pure. A chain that begins with the period in which the budget was last defined: a
period's limit is the budget's own and what all before it have left. What is known of a
chain is kept; a late event makes what comes after it unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import cast

from taximeter_processors.accounts import Account, AccountKey
from taximeter_processors.windows import Bounds, period_bounds, window_start
from taximeter_schemas.budgets import BudgetDefined
from taximeter_schemas.subjects import Subject

__all__ = ["HandedOn"]


class HandedOn:
    """What each period of the budgets with a rollover hands on.

    Args:
        used: tells what a subject used in a period of a budget, in its unit.
    """

    def __init__(self, used: Callable[[BudgetDefined, Subject, Bounds], int]) -> None:
        self._used = used
        self._known: dict[AccountKey, int] = {}

    def limit(self, account: Account) -> int | None:
        """Return the limit of an account, with what was handed on to it."""
        own = account.budget.whole_limit
        if own is None or not account.budget.rollover:
            return own
        return max(0, own + self._handed_to(account))

    def changed(self, account: Account) -> Iterator[AccountKey]:
        """Take note that an account changed; yield those that come after it."""
        budget, subject, bounds = account.budget, account.subject, account.bounds
        while self._known.pop((budget.budget_id, subject, bounds), None) is not None:
            bounds = _next(budget, bounds)
            yield budget.budget_id, subject, bounds

    def forget(self, budget_id: str) -> None:
        """Take note that a budget is not what it was."""
        for key in [key for key in self._known if key[0] == budget_id]:
            del self._known[key]

    def _handed_to(self, account: Account) -> int:
        budget, subject, bounds = account.budget, account.subject, account.bounds
        chain: list[Bounds] = []
        handed = 0
        while (before := _before(budget, bounds)) is not None:
            known = self._known.get((budget.budget_id, subject, before))
            if known is not None:
                handed = known
                break
            chain.append(before)
            bounds = before
        for before in reversed(chain):
            handed = _left(budget, self._used(budget, subject, before), handed)
            self._known[budget.budget_id, subject, before] = handed
        return handed


def _left(budget: BudgetDefined, used: int, handed: int) -> int:
    left = (budget.whole_limit or 0) + handed - used
    kept = "unused" if left > 0 else "overspent"
    return left if kept in budget.rollover else 0


def _before(budget: BudgetDefined, bounds: Bounds) -> Bounds | None:
    """Return the period before; None before the one in which it was defined."""
    start = cast("datetime", bounds.start)
    if start <= budget.defined_at:
        return None
    window = window_start(start - timedelta(seconds=1))
    return period_bounds(budget.period, budget.time_zone, window)


def _next(budget: BudgetDefined, bounds: Bounds) -> Bounds:
    window = window_start(cast("datetime", bounds.end))
    return period_bounds(budget.period, budget.time_zone, window)
