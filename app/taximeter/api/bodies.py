"""From the body of a request to events as they travel.

The body is parsed once, by the rules that the workers read Kafka with, so what is
accepted here is no dead letter there, but for a `UsageNotUnderstood`, which is to
become one. It goes on as bytes: those wait for Kafka in a
quarter of the memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fastapi import Request

from taximeter.api.room import Limits, Place
from taximeter_processors.calls import Reading, Repriced, read_usage
from taximeter_producers.packing import EncodedEvent
from taximeter_schemas.records import (
    MAX_EVENT_BYTES,
    NOT_EMITTED,
    Fault,
    encode_event,
    kept_usage,
    usage_key,
)

__all__ = [
    "BodyTooLarge",
    "BodyTooSlow",
    "Wrong",
    "WrongEvents",
    "read_body",
    "read_events",
]

_LARGE_BYTES: Final = 512 * 1024
_TOO_LARGE: Final = f"an event has at most {MAX_EVENT_BYTES} bytes"


class BodyTooLarge(Exception):
    """More at once than one request may bring."""

    def __init__(self, limit: str) -> None:
        super().__init__(f"a body has at most {limit}: send fewer events at once")


class BodyTooSlow(Exception):
    """A body that had not arrived when its time was over."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the body has not arrived within {seconds:g} s")


@dataclass(frozen=True)
class Wrong:
    """Why one event of a body cannot be used; `index` is its place, from 0."""

    index: int
    reason: str
    detail: str


class WrongEvents(Exception):
    """Some of a body's events cannot be used."""

    def __init__(self, wrong: Sequence[Wrong]) -> None:
        self.wrong = wrong
        super().__init__(f"{len(wrong)} events are wrong")


async def read_body(request: Request, place: Place, limits: Limits) -> bytes:
    """Return the body of a request, without the white space around it.

    Raises:
        BodyTooLarge: as soon as it is known to be.
        BodyTooSlow: its time is over.
        NoRoom: all bodies together are as large as they may be.
        ClientDisconnect: whoever sent it has gone.
    """
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > limits.body_bytes:
        raise BodyTooLarge(f"{limits.body_bytes} bytes")
    try:
        async with asyncio.timeout(limits.body_seconds):
            body = await _arrived(request, place, limits.body_bytes)
    except TimeoutError:
        raise BodyTooSlow(limits.body_seconds) from None
    return body.strip(b" \t\r\n")


async def _arrived(request: Request, place: Place, most: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise BodyTooLarge(f"{most} bytes")
        place.hold(len(chunk))
        chunks.append(chunk)
    return b"".join(chunks)


async def read_events(body: bytes, now: datetime) -> Sequence[EncodedEvent]:
    """Return all events of a body.

    Raises:
        WrongEvents: if any is wrong; tells all that are.
    """
    if len(body) < _LARGE_BYTES:
        return _read(body, now)
    return await asyncio.to_thread(_read, body, now)  # others are answered meanwhile


def _read(body: bytes, now: datetime) -> Sequence[EncodedEvent]:
    readings = read_usage(body, now, ours=False)
    events = list(map(_event, readings.events, readings.encoded))
    _require_none(
        Wrong(index, one.reason, one.detail)
        for index, one in enumerate(events)
        if isinstance(one, Fault)
    )
    found = [one for one in events if not isinstance(one, Fault)]
    _require_none(
        Wrong(index, "invalid_event", NOT_EMITTED)
        for index, one in enumerate(readings.events)
        if isinstance(one, Repriced)
    )
    _require_none(
        Wrong(index, "too_large", _TOO_LARGE)
        for index, event in enumerate(found)
        if len(event.value) > MAX_EVENT_BYTES
    )
    return found


def _event(reading: Reading, encoded: bytes) -> EncodedEvent | Fault:
    if not isinstance(reading, Fault):
        return EncodedEvent(usage_key(reading.event_id), encoded)
    kept = kept_usage(reading)
    if kept is None:
        return reading
    return EncodedEvent(usage_key(kept.event_id), encode_event(kept))


def _require_none(wrong: Iterable[Wrong]) -> None:
    if found := list(wrong):
        raise WrongEvents(found)
