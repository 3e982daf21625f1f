"""`GET /v1/alerts`: what was raised, the newest first."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict

from taximeter.api.asking import Paged, of_page
from taximeter.api.services import services
from taximeter.api.spend import ANSWERS, Money
from taximeter.api.tagging import TaggedRoute
from taximeter.raised_alerts import raised_alerts
from taximeter_sinks.queries import Ledger

__all__ = ["router"]

router = APIRouter(tags=["alerts"], route_class=TaggedRoute)


class Raised(BaseModel):
    """One alert: its kind, whom it is about, and what it says in one line."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "alert_id": "5b1c7a0e-6f43-5c0e-9a52-0f6b2f1d9e11",
                    "event_type": "BudgetThresholdCrossed",
                    "raised_at": "2026-11-22T12:00:01.250000Z",
                    "words": "team: project search has spent 80.02 of 100.00 USD "
                    "(month from 2026-11-01 00:00Z)",
                    "budget_id": "team",
                    "subject_kind": "project",
                    "subject_id": "search",
                    "period": "month",
                    "period_start": "2026-11-01T00:00:00Z",
                    "period_end": "2026-12-01T00:00:00Z",
                    "threshold_percent": 80,
                    "limit_usd": "100.000000000000",
                    "spent_usd": "80.020000000000",
                }
            ]
        }
    )

    alert_id: UUID
    event_type: str | None
    raised_at: datetime
    words: str
    budget_id: str | None
    subject_kind: str
    subject_id: str
    period: str | None
    period_start: datetime | None
    period_end: datetime | None
    threshold_percent: int | None
    limit_usd: Money | None
    spent_usd: Money | None


class Alerts(BaseModel):
    """The newest first; `next_offset` asks for those before them."""

    alerts: list[Raised]
    next_offset: int | None


@router.get("/v1/alerts", responses=ANSWERS, summary="Which alerts were raised")
async def get_alerts(request: Request, page: Paged) -> Alerts:
    """Return alerts of every kind, as the ledger has them."""

    def question(ledger: Ledger) -> Alerts:
        rows = raised_alerts(ledger, page.reach)
        return Alerts(
            alerts=[Raised.model_validate(row) for row in of_page(rows, page)],
            next_offset=page.next_offset(len(rows)),
        )

    return await services(request).desk.ask(question)
