"""AWS's event streams: binary frames, and the lines of JSON that they stand for. Pure.

A frame is a prelude of two lengths and their checksum, headers, a payload and another
checksum (docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html).
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from struct import Struct
from typing import Any, Final
from zlib import crc32

__all__ = ["CONTENT_TYPE", "lines_of_frames"]

CONTENT_TYPE: Final = "vnd.amazon.eventstream"

_PRELUDE: Final = Struct(">III")
_FIRST_HEADER: Final = b":event-type"
_CHECKSUM: Final = 4
_TEXT: Final = 7
_LENGTHS: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}


def lines_of_frames(raw: bytes) -> list[bytes]:
    """Return the events of a stream as JSON; one that was cut in its middle is not.

    An event of the Converse API gets its name around it, one of a model's own stream
    is what the model said, and an exception becomes an `error` with its type.
    """
    return [line for head, body in _frames(raw) if (line := _line(head, body))]


def _frames(raw: bytes) -> Iterator[tuple[dict[str, str], bytes]]:
    at = 0
    while at + _PRELUDE.size <= len(raw):
        whole, head, checksum = _PRELUDE.unpack_from(raw, at)
        if crc32(raw[at : at + 8]) != checksum:  # a piece of the stream is missing
            found = raw.find(_FIRST_HEADER, at + _PRELUDE.size + 2)
            at = found - _PRELUDE.size - 1 if found >= 0 else len(raw)
            continue
        if at + whole > len(raw):
            return
        begin = at + _PRELUDE.size
        body = raw[begin + head : at + whole - _CHECKSUM]
        yield dict(_headers(raw[begin : begin + head])), body
        at += whole


def _headers(raw: bytes) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(raw):
        name = raw[at + 1 : at + 1 + raw[at]].decode()
        at += 1 + raw[at]
        kind, at = raw[at], at + 1
        length = _LENGTHS.get(kind)
        if length is None:  # text or bytes, with their length before them
            length = int.from_bytes(raw[at : at + 2])
            at += 2
        if kind == _TEXT:
            yield name, raw[at : at + length].decode()
        at += length


def _line(head: dict[str, str], body: bytes) -> bytes | None:
    kind = head.get(":exception-type") or head.get(":error-code")
    if kind:
        return json.dumps({"error": {"type": kind}}).encode()
    try:
        said: Any = json.loads(body)
    except ValueError:
        return None
    within = said.get("bytes") if isinstance(said, dict) else None
    if isinstance(within, str):
        return b64decode(within)
    return json.dumps({head.get(":event-type", "event"): said}).encode()
