"""What nobody should send, and what a careless reader falls over."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

from taximeter_schemas.records import encode_event
from tests.builders import a_usage
from tests.faults.stream import NOW

__all__ = ["POISON", "changed"]


def changed(**fields: object) -> bytes:
    """Return an event's JSON with some fields as nobody should send them."""
    event = encode_event(a_usage(occurred_at=NOW))
    return json.dumps(json.loads(event) | fields).encode()


def _with(count: str) -> bytes:
    usage = b'"text_output_tokens":%b' % count.encode()
    return encode_event(a_usage(occurred_at=NOW)).replace(
        b'"text_output_tokens":200', usage
    )


# One dead letter each; made anew each time, with an event id of its own.
POISON: dict[str, Callable[[], bytes | None]] = {
    "broken JSON": lambda: b'{"event_id": ',
    "an unknown field": lambda: changed(colour="red"),
    "a negative count": lambda: changed(usage={"text_input_tokens": -1}),
    "no time zone": lambda: changed(occurred_at="2026-11-22T12:00:00"),
    "ten years ahead": lambda: changed(
        occurred_at=(NOW + timedelta(days=3650)).isoformat()
    ),
    "2 MB": lambda: changed(user_id="x" * 2_000_000),
    "an unknown version": lambda: changed(schema_version=7),
    "a lone surrogate": lambda: changed(user_id="\ud800"),
    "invalid UTF-8": lambda: changed(user_id="#").replace(b"#", b"\xff\xfe"),
    "a zero byte": lambda: b"\0",
    "1,000 arrays deep": lambda: b"[" * 1_000 + b"]" * 1_000,
    "100,000 arrays deep": lambda: b"[" * 100_000,
    "an event 1,000 objects deep": lambda: changed().replace(
        b'"alice"', b'{"a":' * 1_000 + b"1" + b"}" * 1_000
    ),
    "a number of 5,000 digits": lambda: _with("9" * 5_000),
    "a number without an end": lambda: _with("1e999"),
    "not a number": lambda: _with("NaN"),
    "empty": lambda: b"",
    "null": lambda: b"null",
    "a tombstone": lambda: None,
    "a string": lambda: b'"hello"',
    "a number": lambda: b"7",
}
