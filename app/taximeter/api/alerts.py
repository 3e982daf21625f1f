"""`GET /v1/alerts`: what was raised, the newest first; and one in full."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, HTTPException, Request
from pydantic import BaseModel, ConfigDict

from taximeter.alert_details import Dearest, about, dearest
from taximeter.alert_words import alert_words
from taximeter.api.asking import Paged, of_page
from taximeter.api.faults import Fault
from taximeter.api.services import services
from taximeter.api.spend import ANSWERS, Money
from taximeter.api.tagging import TaggedRoute
from taximeter.raised_alerts import raised_alert, raised_alerts
from taximeter_schemas.alerts import Share
from taximeter_sinks.queries import Ledger

__all__ = ["AlertInFull", "Alerts", "router"]

router = APIRouter(tags=["alerts"], route_class=TaggedRoute)


class Raised(BaseModel):
    """One alert: its kind, whom it is about, and what it says in one line."""

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


class AlertInFull(BaseModel):
    """An alert with all its fields, in words, and who spent most in what it is about.

    The dearest come first, three at most; there are none where an alert is not about
    anybody's spend. They are those of now: what is charged later may change them.
    """

    # What only one kind of alert says stands beside these.
    model_config = ConfigDict(extra="allow")

    alert_id: UUID
    event_type: str
    words: str
    top_models: tuple[Share, ...]
    top_users: tuple[Share, ...]


_UNKNOWN = "there is no such alert; one that was just raised is here within seconds"


@router.get(
    "/v1/alerts/{alert_id}",
    responses=ANSWERS | {404: {"model": Fault, "description": "There is none, yet."}},
    summary="One alert, and who spent most in it",
)
async def get_alert(request: Request, alert_id: UUID) -> AlertInFull:
    """Return one alert in full, as its own event, with the dearest models and users."""

    def question(ledger: Ledger) -> AlertInFull | None:
        alert = raised_alert(ledger, alert_id)
        if alert is None:
            return None
        asked = about(alert)
        found = Dearest() if asked is None else dearest(ledger, asked)
        said: dict[str, Any] = alert.model_dump(mode="json")
        tops = {"top_models": found.models, "top_users": found.users}
        return AlertInFull.model_validate(said | tops | {"words": alert_words(alert)})

    told = await services(request).desk.ask(question)
    if told is None:
        raise HTTPException(404, _UNKNOWN, {"Retry-After": "1"})
    return told
