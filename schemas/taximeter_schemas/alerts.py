"""What is raised once when something about spend wants a person's attention."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime

from taximeter_schemas.budgets import Period
from taximeter_schemas.fields import Event, Moment, Name, Usd
from taximeter_schemas.subjects import SubjectKind

__all__ = ["BudgetThresholdCrossed"]


class BudgetThresholdCrossed(Event):
    """A budget's spend reached one of its thresholds, for the first time.

    `alert_id` is derived from the budget, the subject, the period, the threshold
    and the limit: a subscriber that keeps the ids it has seen acts once, whatever
    its own deliveries do. One of the limits is given. `late` says that the period was
    over when the call that crossed it became known.
    """

    event_type: Literal["BudgetThresholdCrossed"] = "BudgetThresholdCrossed"
    schema_version: Literal[1, 2] = 2
    alert_id: UUID
    raised_at: Moment
    budget_id: Name
    subject_kind: SubjectKind
    subject_id: str
    period: Period
    period_start: AwareDatetime | None
    period_end: AwareDatetime | None
    threshold_percent: int
    limit_usd: Usd | None = None
    limit_tokens: int | None = None
    limit_calls: int | None = None
    spent_usd: Usd
    tokens: int | None = None
    calls: int | None = None
    late: bool = False
