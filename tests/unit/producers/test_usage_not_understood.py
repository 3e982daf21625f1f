"""A usage that nobody can read is handed on, kept, and counted when it is known."""

from __future__ import annotations

import json
from typing import Any

import pytest

from taximeter.letters.fixes import one_fix
from taximeter.letters.retry import Choice
from taximeter_processors.calls import Call, read_usage
from taximeter_producers import (
    MemoryEmitter,
    attribute,
    usage_from_response,
    usage_not_understood,
)
from taximeter_schemas.clock import ManualClock
from taximeter_schemas.errors import UsageUnreadable
from taximeter_schemas.records import Fault, encode_event, packed
from taximeter_schemas.usage import UsageNotUnderstood, UsageRecorded
from tests.builders import NOON, a_usage
from tests.lettering import Desk, a_letter

BODY = {
    "usage": {"input_tokens": -3, "output_tokens": 5},
    "content": [{"text": "a secret"}],
}


def not_understood(body: object = BODY) -> UsageNotUnderstood:
    """Return the event that a program emits in place of a usage it cannot read."""
    with pytest.raises(UsageUnreadable) as caught:
        usage_from_response(body, "anthropic.messages")
    with attribute(user="ada", project="search"):
        return usage_not_understood(
            caught.value, clock=ManualClock(NOON), provider="anthropic", model="c"
        )


def test_it_says_whose_call_it_was_and_what_the_provider_said() -> None:
    """Whom it was for, when, and the usage part; nothing of the call's content."""
    event = not_understood()
    assert (event.user_id, event.project_id, event.model) == ("ada", "search", "c")
    assert event.occurred_at == NOON
    assert event.detail == "usage.input_tokens is -3, below 0"
    assert json.loads(event.usage_part) == BODY["usage"]
    assert "secret" not in event.model_dump_json()


def test_an_emitter_takes_it() -> None:
    """It goes the way of every event; what is too large is refused."""
    emitter = MemoryEmitter()
    assert emitter.emit(not_understood())
    large = {f"f{n}": "x" * 60 for n in range(5000)} | BODY["usage"]  # type: ignore[operator]
    event = not_understood({"usage": large})
    assert len(event.usage_part) <= 16 * 1024
    assert emitter.emit(event)


def test_a_worker_makes_a_dead_letter_of_it_and_counts_its_neighbours() -> None:
    """In a packed record the good events beside it are read."""
    event, good = not_understood(), a_usage()
    record = packed([encode_event(good), encode_event(event)])
    first, fault = read_usage(record, NOON, ours=True).events
    assert isinstance(first, Call)
    assert first.event_id == good.event_id
    assert isinstance(fault, Fault)
    assert fault.reason == "usage_not_understood"
    assert fault.detail == (
        "usage of shape anthropic.messages: usage.input_tokens is -3, below 0"
    )
    assert fault.payload == encode_event(event)


def test_once_its_usage_is_known_it_counts_under_its_own_id() -> None:
    """The kept event, with a usage in place of what was not understood."""
    event = not_understood()
    letter = a_letter(encode_event(event), reason="usage_not_understood")
    desk = Desk([letter])
    (still,) = desk.retry()
    assert (still.outcome, still.reason) == ("still_dead", "usage_not_understood")
    known: dict[str, Any] = json.loads(letter.payload)
    for name in ("shape", "detail", "usage_part"):
        del known[name]
    known |= {"event_type": "UsageRecorded", "usage": {"text_output_tokens": 5}}
    key = letter.key.decode()
    fixes = one_fix(key, json.dumps(known).encode())
    (retried,) = desk.retry(Choice(frozenset([key]), fixes=fixes))
    assert retried.outcome == "retried"
    (sent,) = desk.sent
    assert isinstance(sent, UsageRecorded)
    assert (sent.event_id, sent.user_id) == (event.event_id, "ada")
