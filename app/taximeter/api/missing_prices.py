"""`GET /v1/prices/missing`: what was called and has no price."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, Request
from pydantic import BaseModel

from taximeter.api.asking import Paged, of_page
from taximeter.api.services import services
from taximeter.api.spend import ANSWERS
from taximeter.api.tagging import TaggedRoute
from taximeter_sinks.queries import Ledger

__all__ = ["router"]

router = APIRouter(tags=["prices"], route_class=TaggedRoute)


class Missing(BaseModel):
    """A model whose calls are in no sum until it has a price and they are re-priced."""

    provider: str
    model: str
    service_tier: str
    reason: str | None
    calls: int
    input_tokens: int
    output_tokens: int
    first_seen: datetime
    last_seen: datetime


class MissingPrices(BaseModel):
    """What is called most first; `next_offset` asks for those behind them."""

    missing: list[Missing]
    next_offset: int | None


@router.get("/v1/prices/missing", responses=ANSWERS, summary="What has no price")
async def get_missing_prices(request: Request, page: Paged) -> MissingPrices:
    """Return models by tier and reason, of all time."""

    def question(ledger: Ledger) -> MissingPrices:
        rows = ledger.unpriced().named()
        return MissingPrices(
            missing=[Missing.model_validate(row) for row in of_page(rows, page)],
            next_offset=page.next_offset(len(rows)),
        )

    return await services(request).desk.ask(question)
