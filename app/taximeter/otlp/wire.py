"""How many spans an export in protobuf has, before any of them takes memory.

An empty span is two bytes on the wire and two hundred once it is read: eight megabytes
of them would be most of a gigabyte.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

__all__ = ["entries_of"]

# Where spans stand: in resource_spans of the request, in their scope_spans, in spans.
_PATH: Final = (1, 2, 2)
_VARINT, _SIZED = 0, 2
# What other kinds of fields take: numbers of fixed size, and both ends of a group.
_FIXED: Final = {1: 8, 3: 0, 4: 0, 5: 4}
_MORE: Final = 128
_BITS: Final = 64

_Stretch = tuple[int, int]


def entries_of(body: bytes, most: int) -> int:
    r"""Return how many fields stand around spans, spans included, or `most` and one.

    What is no protobuf ends the count: reading it will say so.

    >>> entries_of(b"\x0a\x04\x12\x02\x12\x00", 10)
    3
    """
    count = 0
    waiting = [(0, len(body), 0)]
    while waiting:
        start, stop, depth = waiting.pop()
        for field, inner in _fields(body, start, stop):
            count += 1
            if count > most:
                return count
            if inner and field == _PATH[depth] and depth + 1 < len(_PATH):
                waiting.append((*inner, depth + 1))
    return count


def _fields(body: bytes, at: int, end: int) -> Iterator[tuple[int, _Stretch | None]]:
    """Yield each field's number, and where its bytes are if it has any."""
    end = min(end, len(body))
    while at < end:
        tag, at = _varint(body, at, end)
        kind, inner = tag & 7, None
        if kind == _VARINT:
            _, at = _varint(body, at, end)
        elif kind == _SIZED:
            size, at = _varint(body, at, end)
            inner = (at, at + size)
            at += size
        elif kind in _FIXED:
            at += _FIXED[kind]
        else:
            return
        yield tag >> 3, inner


def _varint(body: bytes, at: int, end: int) -> tuple[int, int]:
    """Return a number and what comes behind it; at the end of the bytes, the end."""
    number, shift = 0, 0
    while at < end and shift < _BITS:
        byte = body[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < _MORE:
            return number, at
        shift += 7
    return 0, end
