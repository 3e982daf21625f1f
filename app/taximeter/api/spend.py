"""`GET /v1/spend`: what `taximeter report` says, over HTTP."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, PlainSerializer

from taximeter.api.faults import faults
from taximeter.api.services import services
from taximeter.spend_report import (
    DIMENSIONS,
    Stretch,
    parse_dimensions,
    spend_rows,
    total_row,
)
from taximeter_sinks.queries import Ledger

__all__ = ["Money", "router"]

router = APIRouter(tags=["spend"])

_MOST: Final = 10_000


def _plain(amount: Decimal) -> str:
    return f"{amount:f}"


Money = Annotated[Decimal, PlainSerializer(_plain, return_type=str)]


class Spend(BaseModel):
    """Sums; `cost_usd` is null, never 0, where all calls are unpriced.

    `list_cost_usd` is what the published list says, `markup_usd` what own prices and
    mark-ups make of the calls that it prices; `unlisted_calls` it has no price for.
    """

    # A row also has each dimension's value under the dimension's name.
    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "user": "alice",
                    "cost_usd": "12.345678900000",
                    "calls": 1200,
                    "unpriced_calls": 0,
                    "input_tokens": 1500000,
                    "output_tokens": 380000,
                    "list_cost_usd": "13.717421000000",
                    "markup_usd": "-1.371742100000",
                    "unlisted_calls": 0,
                }
            ]
        },
    )

    cost_usd: Money | None
    calls: int
    unpriced_calls: int
    input_tokens: int
    output_tokens: int
    list_cost_usd: Money | None
    markup_usd: Money | None
    unlisted_calls: int


class SpendReport(BaseModel):
    """Spend over `[start, end)` of event time: of everything, and row by row."""

    by: list[str]
    start: datetime | None
    end: datetime | None
    time_zone: str
    total: Spend
    rows: list[Spend]


Moment = Annotated[
    str | None, Query(description="A date or a time.", examples=["2026-11-22"])
]


@router.get("/v1/spend", responses=faults(), summary="Spend, by whatever is asked")
async def get_spend(
    request: Request,
    by: Annotated[
        str, Query(description=f"Up to all of {', '.join(DIMENSIONS)}, with commas.")
    ] = "",
    start: Annotated[Moment, Query(alias="from", description="Included.")] = None,
    end: Annotated[Moment, Query(alias="to", description="Not included.")] = None,
    tz: Annotated[str, Query(description="An IANA time zone.")] = "UTC",
    limit: Annotated[int, Query(ge=1, le=_MOST)] = 100,
) -> SpendReport:
    """Return spend from the ledger, the dearest (or, by a period, the first) first."""
    dimensions = parse_dimensions(by)
    stretch = Stretch.parse(start, end, tz)

    def question(ledger: Ledger) -> SpendReport:
        rows = spend_rows(ledger, dimensions, stretch, limit) if dimensions else []
        return SpendReport(
            by=list(dimensions),
            start=stretch.start,
            end=stretch.end,
            time_zone=tz,
            total=Spend.model_validate(total_row(ledger, stretch)),
            rows=[Spend.model_validate(row) for row in rows],
        )

    return await services(request).desk.ask(question)
