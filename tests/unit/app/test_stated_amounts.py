"""Nobody may send amounts of money from outside: those come from re-pricing alone."""

from __future__ import annotations

import asyncio
from io import BytesIO

from taximeter.api.access import Caller
from taximeter.api.intake import read_one_text, taken
from taximeter.letters.second_reading import read_again
from taximeter.ndjson import emit_lines
from taximeter_producers.kafka import KafkaEmitter
from taximeter_schemas.clock import ManualClock
from taximeter_schemas.records import NOT_EMITTED, encode_event, packed
from tests.builders import NOON, a_repricing, a_usage

STATED = encode_event(a_repricing())
GOOD = encode_event(a_usage())


def test_the_api_refuses_a_repricing() -> None:
    """It says which event and why, and takes the others."""
    body = packed([GOOD, STATED])
    found = asyncio.run(taken(body, read_one_text, NOON, Caller()))
    assert [event.value for event in found.events] == [GOOD]
    (wrong,) = found.wrong
    assert (wrong.index, wrong.reason, wrong.detail) == (
        1,
        "invalid_event",
        NOT_EMITTED,
    )


def test_emit_refuses_a_repricing() -> None:
    """Its line is told, and nothing of it is sent."""
    told: list[str] = []
    with KafkaEmitter("127.0.0.1:1", flush_on_sigterm=False) as emitter:
        emission = emit_lines(
            BytesIO(STATED), emitter, ManualClock(NOON), lambda _, why: told.append(why)
        )
    assert (emission.accepted, emission.rejected) == (0, 1)
    assert told == [f"invalid_event: {NOT_EMITTED}"]


def test_a_dead_repricing_is_not_retried() -> None:
    """By now it may be wrong: a new run states what has to be adjusted today."""
    again = read_again(packed([GOOD, STATED]), NOON)
    assert len(again.events) == 1
    assert [refusal.detail for refusal in again.refusals] == [NOT_EMITTED]
