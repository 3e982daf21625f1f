"""From the bytes of a body to events as they travel.

The body is parsed once, by the rules that the workers read Kafka with, so what is
accepted here is no dead letter there, but for a `UsageNotUnderstood`, which is to
become one. It goes on as bytes: those wait for Kafka in a
quarter of the memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple, cast

from taximeter.api.access import Caller
from taximeter_processors.calls import Call, Reading, Readings, Repriced, read_usage
from taximeter_producers.packing import EncodedEvent
from taximeter_schemas.records import (
    MAX_EVENT_BYTES,
    NOT_EMITTED,
    Fault,
    encode_event,
    kept_usage,
    packed,
    usage_key,
)
from taximeter_schemas.usage import EmittedEvent

__all__ = [
    "Read",
    "Taken",
    "Wrong",
    "only",
    "read_each",
    "read_lines",
    "read_one_text",
    "taken",
    "taken_of",
]

_LARGE_BYTES: Final = 512 * 1024
_LINES: Final = b"}\n{"
_NO_LINES: Final = "an event a line is sent as application/x-ndjson"
_TOO_LARGE: Final = f"an event has at most {MAX_EVENT_BYTES} bytes"


@dataclass(frozen=True)
class Wrong:
    """Why one event of a body cannot be used; `index` is its place, from 0."""

    index: int
    reason: str
    detail: str


class Taken(NamedTuple):
    """What a body brought: events that can be sent, and why the others cannot."""

    events: Sequence[EncodedEvent]
    wrong: Sequence[Wrong]


Read = Callable[[bytes, datetime], Readings]
"""Reads a body in one of the forms that events come in."""


async def taken(body: bytes, read: Read, now: datetime, caller: Caller) -> Taken:
    """Return what a body brought; a large one is read while others are answered."""
    if len(body) < _LARGE_BYTES:
        return _taken(body, read, now, caller)
    return await asyncio.to_thread(_taken, body, read, now, caller)


def taken_of(events: Sequence[EmittedEvent], now: datetime, caller: Caller) -> Taken:
    """Return what events bring that were made here, held to the same rules."""
    body = packed([encode_event(event) for event in events])
    return _taken(body, read_one_text, now, caller)


def read_one_text(body: bytes, now: datetime) -> Readings:
    """Read JSON: one event, or an array of them."""
    readings = read_usage(body, now, ours=False)
    first = readings.events[0] if readings.events else None
    if isinstance(first, Fault) and first.reason == "not_json" and _LINES in body:
        return only(first._replace(detail=f"{first.detail} ({_NO_LINES})"))
    return readings


def only(fault: Fault) -> Readings:
    """Return the readings of a body of which nothing else can be said."""
    return Readings([fault], [b""], plain=False)


def read_lines(body: bytes, now: datetime) -> Readings:
    """Read NDJSON: an event a line; blank lines do not count."""
    lines = map(bytes.strip, body.splitlines())
    return read_each([line for line in lines if line], now)


def read_each(texts: Sequence[bytes], now: datetime) -> Readings:
    """Read texts of one event each, at once unless that is not how they are meant."""
    together = read_usage(packed(texts), now, ours=False)
    if together.plain and len(together.events) == len(texts):
        return together
    each = [_alone(text, now) for text in texts]
    return Readings(
        [readings.events[0] for readings in each],
        [readings.encoded[0] for readings in each],
        plain=False,
    )


def _alone(text: bytes, now: datetime) -> Readings:
    if text.startswith(b"["):
        return only(Fault("not_an_event", "an event is a JSON object", text))
    return read_usage(text, now, ours=False)


def _taken(body: bytes, read: Read, now: datetime, caller: Caller) -> Taken:
    readings = read(body, now)
    if readings.plain and not caller.sources and _all_fit(readings.encoded):
        ids = [usage_key(reading.event_id) for reading in _calls(readings)]
        return Taken(list(map(EncodedEvent, ids, readings.encoded)), ())
    events: list[EncodedEvent] = []
    wrong: list[Wrong] = []
    pairs = zip(readings.events, readings.encoded, strict=True)
    for index, (reading, encoded) in enumerate(pairs):
        one = _event(reading, encoded, caller)
        if isinstance(one, EncodedEvent):
            events.append(one)
        else:
            wrong.append(Wrong(index, *one))
    return Taken(events, wrong)


def _all_fit(encoded: Sequence[bytes]) -> bool:
    return max(map(len, encoded), default=0) <= MAX_EVENT_BYTES


def _calls(readings: Readings) -> Sequence[Call]:
    """Return the events of a body that was read quickly: nothing else is in it."""
    return cast("Sequence[Call]", readings.events)


def _event(
    reading: Reading, encoded: bytes, caller: Caller
) -> EncodedEvent | tuple[str, str]:
    """Return an event as it is sent, or the reason and detail of why it is not."""
    if isinstance(reading, Repriced):
        return "invalid_event", NOT_EMITTED
    if isinstance(reading, Fault):
        kept = kept_usage(reading)
        if kept is None:
            return reading.reason, reading.detail
        return _allowed(kept, encode_event(kept), caller)
    return _allowed(reading, encoded, caller)


def _allowed(
    event: Call | EmittedEvent, encoded: bytes, caller: Caller
) -> EncodedEvent | tuple[str, str]:
    if not caller.writes_for(event.source):
        return "source_not_allowed", caller.lacks(event.source)
    if len(encoded) > MAX_EVENT_BYTES:
        return "too_large", _TOO_LARGE
    return EncodedEvent(usage_key(event.event_id), encoded)
