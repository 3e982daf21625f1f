"""`GET /v1/spend/now`: today so far, held against yesterday and last week."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from taximeter.api.asking import ChosenCalls
from taximeter.api.services import services
from taximeter.api.spend import ANSWERS, Money, Spend
from taximeter.api.tagging import TaggedRoute
from taximeter.reports.spend_now import HELD_AGAINST, changed, spend_now
from taximeter_sinks.queries import Ledger

__all__ = ["router"]

router = APIRouter(tags=["spend"], route_class=TaggedRoute)


class SpendOf(Spend):
    """The sums of one stretch `[start, end)`; what is not over has no end."""

    start: datetime
    end: datetime | None


class SpendNow(BaseModel):
    """Today and what it is held against, each cut at the present time of its day.

    `changed_percent` is how far today is above each of those, below 0 below it; null
    where there is nothing to compare with.
    """

    time_zone: str
    stretches: Mapping[str, SpendOf]
    changed_percent: Mapping[str, Money | None]


Zone = Annotated[str, Query(description="An IANA time zone: whose today it is.")]


@router.get("/v1/spend/now", responses=ANSWERS, summary="Spend now")
async def get_now(request: Request, only: ChosenCalls, tz: Zone = "UTC") -> SpendNow:
    """Return today, the last hour, yesterday, the day a week ago, and this month."""
    at = services(request)
    now = at.clock.now()

    def question(ledger: Ledger) -> SpendNow:
        rows = spend_now(ledger, now, tz, only)
        changes: dict[str, Decimal | None] = {n: changed(rows, n) for n in HELD_AGAINST}
        return SpendNow(
            time_zone=tz,
            stretches={n: SpendOf.model_validate(row) for n, row in rows.items()},
            changed_percent=changes,
        )

    return await at.desk.ask(question)
