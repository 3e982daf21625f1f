"""What a dead letter says when it is read once more, as it is or corrected.

Pure: the same rules that the workers read with, at a later time.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from taximeter_producers.emitter import unfit
from taximeter_schemas.dead_letters import DeadLetter
from taximeter_schemas.records import MAX_EVENT_BYTES, Fault, read_emitted
from taximeter_schemas.usage import UsageEvent

__all__ = ["Refusal", "SecondReading", "read_again", "read_corrected"]


class Refusal(NamedTuple):
    """Why something in a dead letter still cannot be used."""

    reason: str
    detail: str


class SecondReading(NamedTuple):
    """The events that may be sent, and why the letter stays open, if it does."""

    events: Sequence[UsageEvent]
    refusals: Sequence[Refusal]


_EMPTY: Final = Refusal("not_an_event", "there is no event in it")
_TOO_LARGE: Final = Refusal(
    "too_large", f"an event has at most {MAX_EVENT_BYTES} bytes"
)


def read_again(payload: bytes, now: datetime) -> SecondReading:
    """Read kept bytes with today's rules; what is good goes whatever stands beside it.

    Args:
        payload: what a dead letter holds: an event, or a whole packed record.
        now: when it will be recorded again; no event may be over a day after it.
    """
    events: list[UsageEvent] = []
    refusals: list[Refusal] = []
    for reading in read_emitted(payload, now):
        if isinstance(reading, Fault):
            refusals.append(Refusal(reading.reason, reading.detail))
        elif unfit(reading):
            refusals.append(_TOO_LARGE)
        else:
            events.append(reading)
    return SecondReading(events, refusals if events or refusals else [_EMPTY])


def read_corrected(
    letter: DeadLetter, fix: Sequence[object], now: datetime
) -> SecondReading:
    """Read corrected events in place of the kept bytes: all of them, or none.

    Of a letter that holds several events, the good ones that the fix does not name
    go too, and it stays open until there is a correction for each of the others.
    """
    given = read_again(json.dumps(fix).encode(), now)
    kept = read_again(letter.payload, now)
    if given.refusals:
        return SecondReading([], given.refusals)
    if len(kept.events) + len(kept.refusals) == 1:
        return given
    return _beside(given.events, kept)


def _beside(given: Sequence[UsageEvent], kept: SecondReading) -> SecondReading:
    named = {event.event_id for event in given}
    good = {event.event_id for event in kept.events}
    events = [*given, *(each for each in kept.events if each.event_id not in named)]
    missing = len(kept.refusals) - len(named - good)
    if missing <= 0:
        return SecondReading(events, [])
    first = kept.refusals[0]
    detail = f"{missing} more in it to be corrected, such as: {first.detail}"
    return SecondReading(events, [Refusal(first.reason, detail)])
