"""The demo's budgets: small enough for the replay to cross some of them."""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_UP, Decimal
from typing import Final

from taximeter_schemas.budgets import BudgetDefined, Period
from taximeter_schemas.subjects import EACH, Scope

__all__ = ["demo_budgets"]

_WHOLE_TRACE: Final = 19_366
_SPARE: Final = 1_000
_LIMITS: Final[tuple[tuple[str, Scope, Period, str], ...]] = (
    ("each-user-daily", Scope(user=EACH), "day", "0.50"),
    ("each-project-monthly", Scope(project=EACH), "month", "6"),
    ("sonnet-weekly", Scope(model="claude-sonnet-4-5"), "week", "20"),
    ("everything", Scope(), "total", "50"),
)


def demo_budgets(calls: int, since: datetime) -> list[BudgetDefined]:
    """Return the budgets for a replay of this many calls.

    Their limits grow with it, so that a short replay raises alerts as a long one
    does. They are defined as of the replayed week's start: a budget raises nothing
    for a period that had ended when it was defined.
    """
    return [
        BudgetDefined(
            budget_id=name,
            scope=scope,
            period=period,
            # The fewer the calls, the more one user's day differs from another's.
            limit_usd=_scaled(Decimal(limit), calls, _SPARE if scope.user else 0),
            defined_at=since,
        )
        for name, scope, period, limit in _LIMITS
    ]


def _scaled(limit: Decimal, calls: int, spare: int) -> Decimal:
    """Return a limit for the whole trace in proportion to the number of calls.

    >>> _scaled(Decimal(6), 19_366, 0), _scaled(Decimal(6), 1, 0)
    (Decimal('6.0000'), Decimal('0.0004'))
    """
    share = Decimal(calls + spare) / (_WHOLE_TRACE + spare)
    return (limit * share).quantize(Decimal("0.0001"), ROUND_UP)
