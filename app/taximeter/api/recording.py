"""From events to an answer: 202 once Kafka has them, and what was refused beside."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from fastapi import Response
from pydantic import BaseModel

from taximeter.api.bounds import BodyTooLarge
from taximeter.api.faults import Fault, Refused
from taximeter.api.intake import Taken
from taximeter.api.room import NotAcknowledged, Place
from taximeter.api.services import Services
from taximeter_producers.emitter import Rarely
from taximeter_producers.packing import EncodedEvent

__all__ = ["ANSWERS", "Recorded", "deliver", "record"]

log = logging.getLogger(__name__)

_MAX_ERRORS_TOLD: Final = 100
_JSON: Final = "application/json"
_rarely: Final = Rarely()


class EventError(BaseModel):
    """Why one event cannot be used; `index` is its place in the body, from 0."""

    index: int
    reason: str
    detail: str


class Recorded(BaseModel):
    """How many events Kafka has now, and why it does not have the others.

    Of those that were refused, the first 100 are told.
    """

    accepted: int
    rejected: int = 0
    errors: list[EventError] = []


ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    202: {"model": Recorded, "description": "Kafka has what was accepted."},
    400: {"model": Refused, "description": "The body cannot be inflated."},
    408: {"model": Refused, "description": "The body did not arrive in time."},
    413: {"model": Refused, "description": "The body is over 8 MiB, inflated or not."},
    415: {"model": Refused, "description": "Nothing that is read here."},
    422: {"model": Recorded, "description": "Every event is wrong; nothing was sent."},
    429: {"model": Refused, "description": "Too much is under way: come back later."},
    503: {"model": Fault, "description": "Kafka has not acknowledged in time."},
}


async def record(taken: Taken, place: Place, at: Services) -> Response:
    """Send the events of a request, and answer it when Kafka has them.

    Raises:
        BodyTooLarge: there are more than there can ever be room for.
        NotAcknowledged: Kafka has not said in time that it has them.
        EventRefused: the emitter did not take them.
    """
    if taken.events or not taken.wrong:
        await deliver(taken.events, place, at)
    if not taken.wrong:
        return Response(b'{"accepted":%d}' % len(taken.events), 202, media_type=_JSON)
    at.refused.update(one.reason for one in taken.wrong)
    if _rarely.now():
        first, count = taken.wrong[0], len(taken.wrong)
        log.warning("%d events refused, the first as %s", count, first.reason)
    return _partly(taken)


async def deliver(events: Sequence[EncodedEvent], place: Place, at: Services) -> None:
    """Send events, and return when Kafka has them; raises what `record` does."""
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


def _settled(settle: Callable[[bool], None], delivery: asyncio.Future[None]) -> None:
    settle(not delivery.cancelled() and delivery.exception() is None)


def _partly(taken: Taken) -> Response:
    answer = {
        "accepted": len(taken.events),
        "rejected": len(taken.wrong),
        "errors": [vars(one) for one in taken.wrong[:_MAX_ERRORS_TOLD]],
    }
    status = 202 if taken.events else 422
    return Response(json.dumps(answer), status, media_type=_JSON)
