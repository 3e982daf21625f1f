"""`POST /v1/reservations`: room in a budget, before a call is made."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final, cast
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from taximeter.api.access import caller
from taximeter.api.faults import Answers, Fault, faults
from taximeter.api.services import services
from taximeter.api.spend import Money
from taximeter_producers.reservations import Reservation, Whom
from taximeter_schemas.budgets import Unit
from taximeter_schemas.errors import ReservationDenied, ReservationUnanswered
from taximeter_schemas.fields import Count, Hash, Name, Tags, Usd
from taximeter_schemas.reservations import DEFAULT_EXPIRY_SECONDS, Expiry

__all__ = ["router"]

router = APIRouter(tags=["reservations"])

# As events say it that name none.
_NO_SOURCE: Final = "unknown"
_RETRY_AFTER: Final = {"Retry-After": "1"}


class Reserve(BaseModel):
    """A call that is about to be made, and what it costs at most.

    Limits in USD hold `estimate_usd`, limits in tokens `estimate_tokens`, limits in
    calls one. Where no estimate is given, nothing is held of limits in its unit, and
    the call is refused once one is reached.

    Sending the same `reservation_id` again is answered as it was the first time.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"estimate_usd": "0.02", "user_id": "alice", "model": "gpt-4o"}
            ]
        },
    )

    estimate_usd: Annotated[Usd, Field(ge=0)] | None = None
    estimate_tokens: Count | None = None
    reservation_id: UUID | None = None
    expires_after_seconds: Expiry = DEFAULT_EXPIRY_SECONDS
    model: Name | None = None
    provider: Name | None = None
    source: Name | None = None
    user_id: Name | None = None
    project_id: Name | None = None
    session_id: Name | None = None
    endpoint: Name | None = None
    api_key_hash: Hash | None = None
    tags: Tags = Field(default_factory=dict)

    def whom(self) -> Whom:
        """Return whom the call is for, and what it is."""
        return {
            "user": self.user_id,
            "model": self.model,
            "project": self.project_id,
            "session": self.session_id,
            "endpoint": self.endpoint,
            "provider": self.provider,
            "source": self.source,
            "api_key": self.api_key_hash,
            "tags": self.tags,
        }


class Held(BaseModel):
    """A budget in which it is held, with what stands against its limit now.

    Amounts are in the limit's `unit`; those in USD are 0 where it is another one.
    """

    budget_id: str
    unit: Unit
    spent: Money
    reserved: Money
    limit: Money
    spent_usd: Money
    reserved_usd: Money
    limit_usd: Money
    expires_at: datetime | None


class Reserved(BaseModel):
    """Room for the call; its event has to name `reservation_id`.

    `unheld` are budgets that did not answer, and let calls through then.
    """

    reservation_id: UUID
    estimate_usd: Money | None
    budgets: list[Held]
    unheld: list[str]


class Exceeded(Fault):
    """The budget that has no room for the call; amounts as in `Held`."""

    budget_id: str
    unit: Unit
    spent: Money
    reserved: Money
    limit: Money
    estimate: Money
    spent_usd: Money
    reserved_usd: Money
    limit_usd: Money
    estimate_usd: Money


_ANSWERS: Final[Answers] = {
    402: {"model": Exceeded, "description": "A budget has no room for the call."},
    **faults(away="Nobody answers for a budget just now."),
}
_TOLD: Final = faults("It is no id.", "Kafka cannot be told just now.")


@router.post(
    "/v1/reservations",
    status_code=201,
    response_model=Reserved,
    responses=_ANSWERS,
    summary="Reserve room for a call",
)
async def post_reservations(request: Request, wanted: Reserve) -> Reserved | Response:
    """Hold what a call may cost in every budget that stops it, or in none.

    It is held until an event with its id is charged, until it is released, or until
    its time is over.
    """
    by, source = caller(request), wanted.source or _NO_SOURCE
    if not by.writes_for(source):
        return JSONResponse({"detail": by.lacks(source)}, 403)
    reserving = services(request).reservations.reserve(
        wanted.estimate_usd,
        estimate_tokens=wanted.estimate_tokens,
        reservation_id=wanted.reservation_id,
        expires_after_seconds=wanted.expires_after_seconds,
        **wanted.whom(),
    )
    try:
        return _reserved(await reserving.begin())
    except ReservationDenied as denied:
        return JSONResponse(_exceeded(denied).model_dump(mode="json"), 402)
    except ReservationUnanswered as error:
        return JSONResponse({"detail": str(error)}, 503, headers=_RETRY_AFTER)


@router.post(
    "/v1/reservations/{reservation_id}/release",
    status_code=204,
    response_class=Response,
    responses=_TOLD,
    summary="Release a reservation",
)
@router.delete(
    "/v1/reservations/{reservation_id}",
    status_code=204,
    response_class=Response,
    responses=_TOLD,
    summary="Release a reservation",
)
async def release_reservation(request: Request, reservation_id: UUID) -> Response:
    """Let go of what is held for a call that is not made; once is enough."""
    if await services(request).reservations.release(reservation_id):
        return Response(status_code=204)
    detail = "Kafka cannot be told just now: what is held lapses by itself"
    return JSONResponse({"detail": detail}, 503, headers=_RETRY_AFTER)


def _reserved(made: Reservation) -> Reserved:
    held = [
        Held(
            budget_id=answer.budget_id,
            unit=answer.unit,
            spent=answer.amounts.spent,
            reserved=answer.amounts.reserved,
            limit=answer.amounts.limit,
            spent_usd=answer.spent_usd,
            reserved_usd=answer.reserved_usd,
            limit_usd=answer.limit_usd,
            expires_at=answer.expires_at,
        )
        for answer in made.granted.answers
    ]
    return Reserved(
        reservation_id=made.reservation_id,
        estimate_usd=made.estimate_usd,
        budgets=held,
        unheld=list(made.granted.unheld),
    )


def _exceeded(denied: ReservationDenied) -> Exceeded:
    return Exceeded(
        detail=str(denied),
        budget_id=str(denied.budget_id),
        unit=cast("Unit", denied.unit),
        spent=denied.spent,
        reserved=denied.reserved,
        limit=denied.limit,
        estimate=denied.estimate or Decimal(0),
        spent_usd=denied.spent_usd,
        reserved_usd=denied.reserved_usd,
        limit_usd=denied.limit_usd,
        estimate_usd=denied.estimate_usd,
    )
