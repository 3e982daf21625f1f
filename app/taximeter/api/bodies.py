"""The body of a request, as the bytes that its sender meant."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

from fastapi import Request

from taximeter.api.bounds import BodyTooLarge, Unread
from taximeter.api.room import Place

__all__ = ["NotGzip", "WrongEncoding", "read_body", "read_whole"]

_GZIP: Final = zlib.MAX_WBITS | 16
_STEP_BYTES: Final = 64 * 1024
_MOST_MEMBERS: Final = 1000
_PLAIN: Final = ("", "identity")
_ZIPPED: Final = ("gzip", "x-gzip")


class WrongEncoding(Unread):
    """A body in an encoding that is not read here."""

    def __init__(self, encoding: str) -> None:
        super().__init__(
            415,
            f"Content-Encoding {encoding[:40]!r} is not read: send gzip, or none",
            {"Accept-Encoding": "gzip"},
        )


class NotGzip(Unread):
    """A body that says it is gzip and is not, or not all of it."""

    def __init__(self) -> None:
        super().__init__(400, "the body is not gzip, or ends too early")


async def read_body(request: Request, place: Place, most: int) -> bytes:
    """Return a body that is text, without the white space around it.

    Takes and raises what `read_whole` does.
    """
    return (await read_whole(request, place, most)).strip(b" \t\r\n")


async def read_whole(request: Request, place: Place, most: int) -> bytes:
    """Return the body of a request, inflated.

    Args:
        request: how its body comes is `BodyBounds`' to watch.
        place: what is read counts in it.
        most: bytes that it may have, inflated too.

    Raises:
        BodyTooLarge: as soon as it is known to be; what would be inflated beyond that
            never is.
        NotGzip: it cannot be inflated.
        WrongEncoding: nor could any other encoding be.
        NoRoom: all bodies together are as large as they may be.
        ClientDisconnect: whoever sent it has gone.
    """
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding not in _PLAIN + _ZIPPED:
        raise WrongEncoding(encoding)
    inflated = _Inflated(most) if encoding in _ZIPPED else None
    chunks: list[bytes] = []
    async for chunk in request.stream():
        for part in inflated.parts(chunk) if inflated else (chunk,):
            place.hold(len(part))
            chunks.append(part)
    if inflated and not inflated.complete:
        raise NotGzip
    return b"".join(chunks)


class _Inflated:
    """Inflates one gzip stream, of any number of members, up to a size."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self._members = 0
        self._inflating = zlib.decompressobj(_GZIP)
        self._begun = False

    @property
    def complete(self) -> bool:
        """Whether all that had begun has ended."""
        return self._members > 0 and not self._begun

    def parts(self, chunk: bytes) -> Iterator[bytes]:
        """Yield what a part of the body inflates to, a step at a time."""
        while chunk:
            self._begun = True
            try:
                part = self._inflating.decompress(chunk, _STEP_BYTES)
            except zlib.error:
                raise NotGzip from None
            self._size += len(part)
            if self._size > self._most:
                raise BodyTooLarge(f"{self._most} bytes, inflated")
            yield part
            chunk = self._rest()

    def _rest(self) -> bytes:
        """Return what is still to be inflated, by a new member if this one is over."""
        inflating = self._inflating
        if not inflating.eof:
            return inflating.unconsumed_tail
        self._members += 1
        if self._members > _MOST_MEMBERS:  # each costs time, and may hold nothing
            raise NotGzip
        self._inflating = zlib.decompressobj(_GZIP)
        self._begun = False
        return inflating.unused_data
