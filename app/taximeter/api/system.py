"""`GET /v1/health`: how every part stands, and what could not be read."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel

from taximeter.api.health import Part, health_of
from taximeter.api.services import Services, services
from taximeter.api.tagging import TaggedRoute
from taximeter.part_reports import part_reports, waiting_records
from taximeter_schemas.errors import LedgerError
from taximeter_sinks.queries import Ledger

__all__ = ["SystemHealth", "router", "system_health"]

router = APIRouter(tags=["health"], route_class=TaggedRoute)


class PartStanding(BaseModel):
    """One part on this machine; `waiting_records` in Kafka are still to come to it."""

    name: str
    running: bool
    version: str | None
    started_at: datetime | None
    memory_bytes: int | None
    last_flush_at: datetime | None
    waiting_records: int | None


class SystemHealth(BaseModel):
    """Kafka, the ledger, every part, and the dead letters that nobody retried.

    What cannot be known just now is null.
    """

    kafka: Part
    ledger: Part
    parts: list[PartStanding]
    open_dead_letters: int | None


@router.get("/v1/health", summary="How the system stands")
async def get_system(request: Request) -> SystemHealth:
    """Return how everything stands; it is no fault of this answer if that is badly."""
    return await system_health(services(request))


async def system_health(at: Services) -> SystemHealth:
    """Return how everything stands."""
    health, parts, letters = await asyncio.gather(
        health_of(at), asyncio.to_thread(part_reports, at.data), _open_letters(at)
    )
    return SystemHealth(
        kafka=health.kafka,
        ledger=health.ledger,
        parts=[_standing(part) for part in parts],
        open_dead_letters=letters,
    )


def _standing(part: dict[str, Any]) -> PartStanding:
    return PartStanding.model_validate(
        part | {"waiting_records": waiting_records(part)}
    )


async def _open_letters(at: Services) -> int | None:
    def question(ledger: Ledger) -> int:
        query = "SELECT count(*) FROM dead_letters WHERE retried_at IS NULL"
        return int(ledger.sql(query).rows[0][0])

    try:
        return await at.desk.ask(question)
    except LedgerError:
        return None
