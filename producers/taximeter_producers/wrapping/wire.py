"""An answer as it came over the wire: whole, or as server-sent events. Pure."""

from __future__ import annotations

import json
from typing import Final

from taximeter_producers.usage_shapes.bodies import Faulty
from taximeter_producers.usage_shapes.streams import JOINS, events_of
from taximeter_producers.usage_shapes.table import shape_named
from taximeter_producers.wrapping import frames

__all__ = [
    "body_of",
    "error_in",
    "is_complete",
    "is_stream",
    "is_text",
    "lines_of",
    "stating",
]

_STREAMS: Final = (
    "text/event-stream",
    "ndjson",
    "jsonl",
    "application/stream+json",
    frames.CONTENT_TYPE,
)
_UNSTATED: Final = (b'"usage":null', b'"usage": null')
_STATED: Final = (b"usage", b"billed_units", b"invocationMetrics")


def is_stream(content_type: str) -> bool:
    """Tell whether a body consists of events, a line each."""
    return any(kind in content_type for kind in _STREAMS)


def is_text(content_type: str) -> bool:
    """Tell whether a body can state usage: sound and pictures cannot."""
    return "json" in content_type or is_stream(content_type)


def body_of(raw: bytes, content_type: str) -> object:
    """Return a body that is one JSON value; None for any other, or half of one."""
    if not is_text(content_type):
        return None
    try:
        return json.loads(raw)
    except ValueError:
        return None


def lines_of(raw: bytes, content_type: str = "") -> list[bytes]:
    r"""Return the events of a body; one that was cut in its middle is left out.

    >>> lines_of(b'event: a\ndata: {"b": 1}\n\ndata: [DONE]\n\ndata: {"c"')
    [b'data: {"b": 1}']
    """
    if frames.CONTENT_TYPE in content_type:
        return frames.lines_of_frames(raw)
    lines = [line.strip() for line in raw.splitlines()]
    events = [line for line in lines if line.startswith((b"data: {", b"data:{", b"{"))]
    return events[:-1] if events and not _whole(events[-1]) else events


def stating(lines: list[bytes]) -> list[bytes]:
    """Return the first event, which says whose they are, and those that state usage."""
    return [
        line
        for at, line in enumerate(lines)
        if at == 0
        or (
            any(word in line for word in _STATED)
            and not any(word in line for word in _UNSTATED)
        )
    ]


def is_complete(lines: list[bytes], shape: str) -> bool:
    """Tell whether these events state the call's final usage."""
    try:
        events = list(events_of(lines))
    except Faulty:
        return False
    return JOINS[shape_named(shape)[1].stream](events).complete


def error_in(lines: list[bytes]) -> str | None:
    """Return the type of the error that a stream told of, if it did."""
    for line in reversed(lines):
        if b'"error"' in line and b'"error":null' not in line:
            said = json.loads(line.removeprefix(b"data:"))
            error = said.get("error") or (said.get("response") or {}).get("error")
            if isinstance(error, dict):
                return str(error.get("type") or error.get("code") or "APIError")
    return None


def _whole(line: bytes) -> bool:
    try:
        json.loads(line.removeprefix(b"data:"))
    except ValueError:
        return False
    return True
