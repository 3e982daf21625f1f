"""What Bedrock answers, in AWS's own format: JSON, or frames of an event stream."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable
from struct import pack
from typing import Any
from uuid import uuid4
from zlib import crc32

from tests.provider_answers import ANSWER
from tests.replaying import Reply

__all__ = [
    "converse",
    "converse_stream",
    "frame",
    "invoked",
    "invoked_stream",
    "refused",
    "thrown",
]

Event = tuple[str, object]


def frame(headers: dict[str, str], body: object) -> bytes:
    """Return one frame: lengths, their checksum, headers, payload, checksum."""
    payload = json.dumps(body).encode()
    head = b"".join(
        bytes([len(n)]) + n.encode() + b"\x07" + pack(">H", len(v)) + v.encode()
        for n, v in headers.items()
    )
    prelude = pack(">II", 16 + len(head) + len(payload), len(head))
    message = prelude + pack(">I", crc32(prelude)) + head + payload
    return message + pack(">I", crc32(message))


def _event(name: str, body: object) -> bytes:
    headers = {":event-type": name, ":content-type": "application/json"}
    return frame(headers | {":message-type": "event"}, body)


def thrown(kind: str) -> bytes:
    """Return the frame of an exception in the middle of a stream."""
    headers = {":exception-type": kind, ":content-type": "application/json"}
    return frame(headers | {":message-type": "exception"}, {"message": "not now"})


def _reply(parts: Iterable[bytes], kind: str, **headers: str) -> Reply:
    said = {"content-type": kind, "x-amzn-RequestId": str(uuid4())}
    return Reply(list(parts), headers=said | headers)


def refused(status: int, kind: str) -> Reply:
    """Return a refusal; its name stands in a header."""
    body = json.dumps({"message": "not now"}).encode()
    headers = {"content-type": "application/json", "x-amzn-RequestId": str(uuid4())}
    named = {"x-amzn-ErrorType": f"{kind}:http://internal.amazon.com/"}
    return Reply([body], status, headers | named)


def converse(body: dict[str, Any]) -> Reply:
    """Return an answer of the Converse API."""
    said = {"role": "assistant", "content": [{"text": "".join(ANSWER)}]}
    around = {
        "output": {"message": said},
        "stopReason": "end_turn",
        "metrics": {"latencyMs": 12},
    }
    return _reply([json.dumps({**around, **body}).encode()], "application/json")


def converse_stream(body: dict[str, Any]) -> Reply:
    """Return the same as a stream; its last event has the usage."""
    parts = [_event("messageStart", {"role": "assistant"})]
    parts += [
        _event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": text}})
        for text in ANSWER
    ]
    parts += [
        _event("contentBlockStop", {"contentBlockIndex": 0}),
        _event("messageStop", {"stopReason": "end_turn"}),
        _event("metadata", {**body, "metrics": {"latencyMs": 12}}),
    ]
    return _reply(parts, "application/vnd.amazon.eventstream")


def invoked(body: object, **headers: str) -> Reply:
    """Return what a model answered itself, to InvokeModel."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return _reply([json.dumps(body).encode()], "application/json", **named)


def invoked_stream(events: Iterable[object]) -> Reply:
    """Return what a model streamed itself, each event in a frame."""
    parts = (
        _event("chunk", {"bytes": b64encode(json.dumps(one).encode()).decode()})
        for one in events
    )
    return _reply(parts, "application/vnd.amazon.eventstream")
