"""`POST /v1/events`: usage events in, accepted when Kafka has them.

The body is parsed once, by the rules that the workers read Kafka with, so what is
accepted here is no dead letter there.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

from taximeter.api.faults import RETRY_AFTER, Fault
from taximeter.api.services import Services, services
from taximeter_producers.emitter import unfit
from taximeter_schemas.errors import BufferFull, EventRefused, EventTooLarge
from taximeter_schemas.records import MAX_EVENT_BYTES, read_record
from taximeter_schemas.records import Fault as UnusableEvent
from taximeter_schemas.usage import UsageEvent

__all__ = ["MAX_BODY_BYTES", "router"]

router = APIRouter(tags=["events"])

MAX_BODY_BYTES: Final = 8 * 1024 * 1024

_MAX_ERRORS_TOLD: Final = 100
_LARGE_BYTES: Final = 512 * 1024
_TOO_LARGE: Final = f"an event has at most {MAX_EVENT_BYTES} bytes"


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
    413: {"model": Fault, "description": "The body is over 8 MiB."},
    422: {"model": Rejected, "description": "Some are wrong; nothing was sent."},
    429: {"model": Fault, "description": "Too much is under way: come back later."},
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
    try:
        body = await _body(request)
    except ClientDisconnect:
        return Response(status_code=400)
    if body is None:
        words = f"a body has at most {MAX_BODY_BYTES} bytes: send fewer events at once"
        return _fault(413, words, {})
    return await _recorded(body, services(request))


async def _body(request: Request) -> bytes | None:
    """Return the body, or None as soon as it is known to be too large."""
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
        return None
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


async def _recorded(body: bytes, at: Services) -> Response:
    value, now = body.strip(b" \t\r\n"), at.clock.now()
    if len(value) < _LARGE_BYTES:
        readings = read_record(value, now)
    else:  # others are answered meanwhile
        readings = await asyncio.to_thread(read_record, value, now)
    events = [one for one in readings if not isinstance(one, UnusableEvent)]
    if len(events) < len(readings) or any(unfit(event) for event in events):
        return _rejected(readings)
    return await _delivered(events, at)


async def _delivered(events: Sequence[UsageEvent], at: Services) -> Response:
    try:
        async with asyncio.timeout(at.acknowledged_seconds):
            await at.emitter.deliver(events)
    except TimeoutError:
        waited = f"not within {at.acknowledged_seconds:g} s"
        words = f"Kafka has not acknowledged the events {waited}: send them again"
        return _fault(503, words, RETRY_AFTER)
    except BufferFull as full:
        return _fault(429, str(full), {"Retry-After": "1"})
    except EventTooLarge as refused:
        return _fault(422, str(refused), {})
    except EventRefused as refused:
        return _fault(503, str(refused), RETRY_AFTER)
    return Response(b'{"accepted":%d}' % len(events), 202, media_type=_JSON)


_JSON: Final = "application/json"


def _rejected(readings: Sequence[UsageEvent | UnusableEvent]) -> Response:
    errors = [
        {"index": index, "reason": reason, "detail": detail}
        for index, reading in enumerate(readings)
        for reason, detail in _wrong(reading)
    ]
    answer = {
        "accepted": 0,
        "rejected": len(errors),
        "errors": errors[:_MAX_ERRORS_TOLD],
    }
    return Response(json.dumps(answer), 422, media_type=_JSON)


def _wrong(reading: UsageEvent | UnusableEvent) -> list[tuple[str, str]]:
    if isinstance(reading, UnusableEvent):
        return [(reading.reason, reading.detail)]
    reason = unfit(reading)
    return [] if reason is None else [(reason, _TOO_LARGE)]


def _fault(code: int, words: str, headers: dict[str, str]) -> Response:
    # No `accepted` where nobody knows: Kafka may have the events all the same.
    answer = {"detail": words}
    return Response(json.dumps(answer), code, headers, media_type=_JSON)
