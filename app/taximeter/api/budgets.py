"""`GET /v1/budgets/status`: how the budgets stand."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from taximeter.api.asking import Paged, of_page
from taximeter.api.services import services
from taximeter.api.spend import ANSWERS, Money
from taximeter.api.tagging import TaggedRoute
from taximeter.budget_outlook import with_outlook
from taximeter.budget_standing import budget_standing
from taximeter_schemas.budgets import BudgetState, Period, Unit
from taximeter_schemas.subjects import SubjectKind
from taximeter_sinks.queries import Ledger

__all__ = ["router"]

router = APIRouter(tags=["budgets"], route_class=TaggedRoute)


class Standing(BaseModel):
    """How one subject stands in one period of a budget, and where it is going.

    What remains, and is reserved for calls under way, is in the budget's `unit`.
    What is projected is expected to be spent at the end, in the budget's `unit`, and
    between low and high four times out of five; `crosses_at` is when the limit will be
    reached. None where nothing can be said: see docs/budgets.md.
    """

    budget_id: str
    subject_kind: SubjectKind
    subject_id: str
    period: Period
    period_start: datetime | None
    period_end: datetime | None
    limit_usd: Money | None
    limit_tokens: int | None
    limit_calls: int | None
    spent_usd: Money
    remaining_usd: Money | None
    tokens: int | None
    state: BudgetState
    calls: int
    unpriced_calls: int
    unit: Unit
    remaining: Money | None
    reserved: Money
    used_percent: Money | None
    days_left: Money | None
    average_a_day: Money | None
    projected: Money | None
    projected_low: Money | None
    projected_high: Money | None
    crosses_at: datetime | None


class Standings(BaseModel):
    """The fullest budgets first; `next_offset` asks for those behind them."""

    budgets: list[Standing]
    next_offset: int | None = None


@router.get("/v1/budgets/status", responses=ANSWERS, summary="How budgets stand")
async def get_budgets_status(
    request: Request,
    *,
    page: Paged,
    past: Annotated[bool, Query(alias="all", description="Past periods too.")] = False,
) -> Standings:
    """Return how each subject stands in the current period of each budget."""
    at = services(request)
    now = at.clock.now()

    def question(ledger: Ledger) -> Standings:
        rows = budget_standing(ledger, now, past=past, limit=page.reach)
        found = with_outlook(ledger, of_page(rows, page), now)
        return Standings(
            budgets=[Standing.model_validate(row) for row in found],
            next_offset=page.next_offset(len(rows)),
        )

    return await at.desk.ask(question)
