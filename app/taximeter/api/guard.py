"""`GET /v1/budgets/guard`: what a guard that has no Kafka asks for now and then."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from taximeter.api.faults import faults
from taximeter.api.services import services
from taximeter.guard_knowledge import (
    budgets_in_force,
    plans_assigned,
    statuses_that_count,
)
from taximeter_schemas.budgets import BudgetDefined, BudgetStatus, PlanAssigned
from taximeter_sinks.queries import Ledger

__all__ = ["router"]

router = APIRouter(tags=["budgets"])

_MOST: Final = 100_000


class Known(BaseModel):
    """Budgets in force, who is on which plan, and statuses, the fullest first."""

    budgets: list[BudgetDefined]
    plans: list[PlanAssigned]
    statuses: list[BudgetStatus]


@router.get("/v1/budgets/guard", responses=faults(), summary="What a guard must know")
async def get_budgets_guard(
    request: Request, limit: Annotated[int, Query(ge=1, le=_MOST)] = 10_000
) -> Known:
    """Return the budgets as events, and the statuses of periods that are not over."""
    at = services(request)
    now = at.clock.now()

    def known(ledger: Ledger) -> Known:
        return Known(
            budgets=budgets_in_force(ledger),
            plans=plans_assigned(ledger),
            statuses=statuses_that_count(ledger, now, limit),
        )

    return await at.desk.ask(known)
