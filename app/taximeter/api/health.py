"""`GET /healthz`: whether the API can do its work."""

from __future__ import annotations

import asyncio
from typing import Any, Final, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from taximeter.api.services import Services, services
from taximeter.broker.admin import check_broker
from taximeter_schemas.errors import BrokerUnavailable, LedgerError

__all__ = ["Part", "Parts", "health_of", "router"]

router = APIRouter(tags=["health"])

_KAFKA_SECONDS: Final = 2.0


class Part(BaseModel):
    """Whether one thing that the API needs is there."""

    ok: bool
    detail: str


class Parts(BaseModel):
    """Kafka takes events; the ledger answers questions."""

    kafka: Part
    ledger: Part


class Health(BaseModel):
    """Ok if every part is."""

    status: Literal["ok", "unavailable"]
    parts: Parts


_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    503: {"model": Health, "description": "A part is away; the others still work."}
}


@router.get("/healthz", responses=_ANSWERS, summary="Health")
async def get_health(request: Request, response: Response) -> Health:
    """Tell whether Kafka is reached and the ledger can be read; 503 if not both."""
    parts = await health_of(services(request))
    well = parts.kafka.ok and parts.ledger.ok
    response.status_code = 200 if well else 503
    return Health(status="ok" if well else "unavailable", parts=parts)


async def health_of(at: Services) -> Parts:
    """Return whether Kafka answers and the ledger can be read."""
    kafka, ledger = await asyncio.gather(_kafka(at), _ledger(at))
    return Parts(kafka=kafka, ledger=ledger)


async def _kafka(at: Services) -> Part:
    try:
        await check_broker(at.bootstrap, _KAFKA_SECONDS)
    except BrokerUnavailable as error:
        return Part(ok=False, detail=str(error))
    return Part(ok=True, detail=f"answers at {at.bootstrap}")


async def _ledger(at: Services) -> Part:
    try:
        await at.desk.ask(lambda ledger: ledger.sql("SELECT 1"))
    except LedgerError as error:
        return Part(ok=False, detail=str(error))
    return Part(ok=True, detail="answers")
