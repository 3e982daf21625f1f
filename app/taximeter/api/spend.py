"""`GET /v1/spend…`: what `taximeter report` says, over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, PlainSerializer

from taximeter.api.asking import Chosen, Page, Paged, Wanted, of_page
from taximeter.api.faults import faults
from taximeter.api.services import services
from taximeter.api.tagging import TaggedRoute
from taximeter.spend_report import (
    DIMENSIONS,
    parse_dimensions,
    spend_rows,
    total_row,
)
from taximeter_sinks.queries import Ledger

__all__ = ["ANSWERS", "Money", "Spend", "SpendReport", "router", "spend_report"]

router = APIRouter(tags=["spend"], route_class=TaggedRoute)

ANSWERS: Final = faults()
"""What a question to the ledger may be answered with instead."""


def _plain(amount: Decimal) -> str:
    return f"{amount:f}"


Money = Annotated[Decimal, PlainSerializer(_plain, return_type=str)]


class Spend(BaseModel):
    """Sums; `cost_usd` is null, never 0, where all calls are unpriced.

    `list_cost_usd` is what the published list says, `markup_usd` what own prices and
    mark-ups make of the calls that it prices; `unlisted_calls` it has no price for.
    """

    # A row also has each dimension's value under the dimension's name.
    model_config = ConfigDict(extra="allow")

    cost_usd: Money | None
    calls: int
    unpriced_calls: int
    input_tokens: int
    output_tokens: int
    list_cost_usd: Money | None
    markup_usd: Money | None
    unlisted_calls: int


class SpendReport(BaseModel):
    """Spend over `[start, end)` of event time: of everything, and row by row.

    `next_offset` asks for the rows behind these; null where there are none.
    """

    by: list[str]
    start: datetime | None
    end: datetime | None
    time_zone: str
    total: Spend
    rows: list[Spend]
    next_offset: int | None = None


Dimensions = Annotated[
    str, Query(description=f"Up to all of {', '.join(DIMENSIONS)}, with commas.")
]


@router.get("/v1/spend", responses=ANSWERS, summary="Spend, by whatever is asked")
async def get_spend(
    request: Request, wanted: Chosen, page: Paged, *, by: Dimensions = ""
) -> SpendReport:
    """Return spend from the ledger, the dearest (or, by a period, the first) first."""
    return await spend_report(request, parse_dimensions(by), wanted, page)


@router.get("/v1/spend/total", responses=ANSWERS, summary="Spend of everything")
async def get_total(request: Request, wanted: Chosen) -> SpendReport:
    """Return one sum over everything that was chosen."""
    return await spend_report(request, (), wanted, Page(1, 0))


@router.get("/v1/spend/daily", responses=ANSWERS, summary="Spend by day")
async def get_daily(request: Request, wanted: Chosen, page: Paged) -> SpendReport:
    """Return spend day by day, the first day first."""
    return await spend_report(request, ("day",), wanted, page)


@router.get("/v1/spend/by-model", responses=ANSWERS, summary="Spend by model")
async def get_by_model(request: Request, wanted: Chosen, page: Paged) -> SpendReport:
    """Return spend by model, the dearest first."""
    return await spend_report(request, ("model",), wanted, page)


@router.get("/v1/spend/by-user", responses=ANSWERS, summary="Spend by user")
async def get_by_user(request: Request, wanted: Chosen, page: Paged) -> SpendReport:
    """Return spend by user, the dearest first."""
    return await spend_report(request, ("user",), wanted, page)


@router.get("/v1/spend/by-project", responses=ANSWERS, summary="Spend by project")
async def get_by_project(request: Request, wanted: Chosen, page: Paged) -> SpendReport:
    """Return spend by project, the dearest first."""
    return await spend_report(request, ("project",), wanted, page)


async def spend_report(
    request: Request, by: Sequence[str], wanted: Wanted, page: Page
) -> SpendReport:
    """Return a page of a report, and the sum of all its pages."""
    stretch, only = wanted.stretch, wanted.only

    def question(ledger: Ledger) -> SpendReport:
        rows = spend_rows(ledger, by, stretch, page.reach, only) if by else []
        return SpendReport(
            by=list(by),
            start=stretch.start,
            end=stretch.end,
            time_zone=stretch.zone,
            total=Spend.model_validate(total_row(ledger, stretch, only)),
            rows=[Spend.model_validate(row) for row in of_page(rows, page)],
            next_offset=page.next_offset(len(rows)),
        )

    return await services(request).desk.ask(question)
