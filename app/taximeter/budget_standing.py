"""How the budgets stand now, from the ledger."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from taximeter_sinks.queries import Ledger
from taximeter_sinks.sql_text import sql_literal

__all__ = ["budget_standing"]

# A status outlives its budget: one that was removed, or is about something else now,
# has none of the rows that its former life left behind.
_IN_FORCE: Final = """
    SELECT status.* EXCLUDE (status_key)
    FROM budget_status AS status
    LEFT JOIN budgets AS budget ON budget.budget_id = status.budget_id
    WHERE budget.removed_at IS NULL
      AND (budget.period IS NULL OR budget.period = status.period)
      AND (budget.scope IS NULL OR (
          status.subject_kind = budget.scope_kind
          AND NOT list_contains(coalesce(budget.exceptions, []), status.subject_id)
          AND (cardinality(budget.scope) <> 1
              OR map_values(budget.scope)[1] IN ('*', status.subject_id))
      ))
"""

_CURRENT: Final = """
    WHERE (period_start IS NULL OR period_start <= {now})
      AND (period_end IS NULL OR period_end > {now})
    QUALIFY row_number() OVER (
        PARTITION BY budget_id, subject_kind, subject_id ORDER BY period_start DESC
    ) = 1
"""

_FULLEST_FIRST: Final = """
    ORDER BY CASE
            WHEN limit_usd IS NOT NULL THEN spent_usd / nullif(limit_usd, 0)
            WHEN limit_tokens IS NOT NULL THEN tokens / nullif(limit_tokens, 0)
            WHEN limit_calls IS NOT NULL THEN calls / nullif(limit_calls, 0)
            ELSE 0
        END DESC NULLS FIRST,
        budget_id, subject_id, period_start
"""


def budget_standing(
    ledger: Ledger, now: datetime, *, past: bool = False, limit: int | None = None
) -> list[dict[str, object]]:
    """Return how each subject stands in each budget, the fullest first.

    Args:
        ledger: where it is read.
        now: decides which periods are current.
        past: all periods, not only the current ones.
        limit: at most so many.
    """
    moment = f"TIMESTAMPTZ {sql_literal(now.isoformat())}"
    current = "" if past else _CURRENT.format(now=moment)
    at_most = "" if limit is None else f"LIMIT {int(limit)}"
    query = f"SELECT * FROM ({_IN_FORCE}) {current} {_FULLEST_FIRST} {at_most}"  # noqa: S608
    return ledger.sql(query).named()
