"""`GET /v1/forecast`: what the current period will come to."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict

from taximeter.api.asking import Paged, of_page
from taximeter.api.services import services
from taximeter.api.spend import ANSWERS, Money
from taximeter.api.tagging import TaggedRoute
from taximeter.moments import time_zone
from taximeter.spend_forecast import spend_forecast
from taximeter_sinks.queries import Ledger

__all__ = ["router"]

router = APIRouter(tags=["spend"], route_class=TaggedRoute)

Period = Literal["day", "week", "month", "quarter", "year"]
Kind = Literal["user", "model", "project", "provider", "source", "session", "endpoint"]


class Expected(BaseModel):
    """What was spent, and what will have been by the end of the period.

    The end is between low and high four times out of five. A row also has the
    dimension's value under the dimension's name.
    """

    model_config = ConfigDict(extra="allow")

    period_start: datetime
    period_end: datetime
    spent_usd: Money
    projected_usd: Money
    projected_low_usd: Money
    projected_high_usd: Money


class Forecast(BaseModel):
    """The dearest first; `next_offset` asks for those behind them."""

    period: Period
    by: Kind | None
    time_zone: str
    rows: list[Expected]
    next_offset: int | None


@router.get("/v1/forecast", responses=ANSWERS, summary="Where spend is going")
async def get_forecast(
    request: Request,
    page: Paged,
    *,
    period: Period = "month",
    by: Kind | None = None,
    tz: Annotated[str, Query(description="An IANA time zone.")] = "UTC",
) -> Forecast:
    """Return the present day, week, month and so on, with what it will come to."""
    at = services(request)
    time_zone(tz)

    def question(ledger: Ledger) -> Forecast:
        rows = spend_forecast(ledger, at.clock.now(), period, tz, by)
        return Forecast(
            period=period,
            by=by,
            time_zone=tz,
            rows=[Expected.model_validate(row) for row in of_page(rows, page)],
            next_offset=page.next_offset(len(rows)),
        )

    return await at.desk.ask(question)
