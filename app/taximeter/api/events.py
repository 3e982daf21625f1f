"""`POST /v1/events`: usage events in, accepted when Kafka has them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

from taximeter.api.bodies import (
    BodyTooLarge,
    Wrong,
    WrongEvents,
    read_body,
    read_events,
)
from taximeter.api.faults import Fault, Refused
from taximeter.api.room import NotAcknowledged, Place
from taximeter.api.services import Services, services
from taximeter_producers.packing import EncodedEvent

__all__ = ["router"]

router = APIRouter(tags=["events"])

_MAX_ERRORS_TOLD: Final = 100
_JSON: Final = "application/json"


class Accepted(BaseModel):
    """How many events Kafka has now."""

    accepted: int


class EventError(BaseModel):
    """Why one event cannot be used; `index` is its place in the array, from 0."""

    index: int
    reason: str
    detail: str


class Rejected(BaseModel):
    """Why nothing was sent: `rejected` events are wrong, the first 100 are told."""

    accepted: int
    rejected: int
    errors: list[EventError]


_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    202: {"model": Accepted, "description": "Kafka has every event."},
    408: {"model": Refused, "description": "The body did not arrive in time."},
    413: {"model": Refused, "description": "The body is over 8 MiB."},
    422: {"model": Rejected, "description": "Some are wrong; nothing was sent."},
    429: {"model": Refused, "description": "Too much is under way: come back later."},
    503: {"model": Fault, "description": "Kafka has not acknowledged in time."},
}


@router.post(
    "/v1/events",
    status_code=202,
    response_model=None,
    responses=_ANSWERS,
    summary="Record usage",
)
async def post_events(request: Request) -> Response:
    """Record one event, or an array of them: all or, if one is wrong, none.

    202 means that Kafka has them. After any other answer send the same again once
    its cause is gone: an event counts once, however often it arrives.
    """
    at = services(request)
    with at.room.place() as place:
        try:
            events = await _arrived(request, place, at)
        except ClientDisconnect:
            return Response(status_code=400)
        except WrongEvents as error:
            return _rejected(error.wrong)
        return await _delivered(events, place, at)


async def _arrived(
    request: Request, place: Place, at: Services
) -> Sequence[EncodedEvent]:
    # On its own, so that the body is gone while its events wait for Kafka.
    body = await read_body(request, place, at.room.limits)
    return await read_events(body, at.clock.now())


async def _delivered(
    events: Sequence[EncodedEvent], place: Place, at: Services
) -> Response:
    limits = at.room.limits
    if len(events) > limits.pending_events:
        raise BodyTooLarge(f"{limits.pending_events} events")
    delivery = asyncio.ensure_future(at.emitter.deliver(events))
    delivery.add_done_callback(partial(_settled, place.hand_over()))
    # Not cancelled when the time is over: what was accepted goes its way.
    await asyncio.wait({delivery}, timeout=limits.acknowledged_seconds)
    if not delivery.done():
        raise NotAcknowledged(limits.acknowledged_seconds)
    delivery.result()
    return Response(b'{"accepted":%d}' % len(events), 202, media_type=_JSON)


def _settled(settle: Callable[[bool], None], delivery: asyncio.Future[None]) -> None:
    settle(not delivery.cancelled() and delivery.exception() is None)


def _rejected(wrong: Sequence[Wrong]) -> Response:
    errors = [vars(each) for each in wrong[:_MAX_ERRORS_TOLD]]
    answer = {"accepted": 0, "rejected": len(wrong), "errors": errors}
    return Response(json.dumps(answer), 422, media_type=_JSON)
