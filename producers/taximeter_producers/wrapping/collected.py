"""What has been read of an answer so far, as it came over the wire, within bounds."""

from __future__ import annotations

from collections import deque
from typing import Final

__all__ = ["Collected"]

_HEAD_BYTES: Final = 1024 * 1024
_TAIL_BYTES: Final = 15 * 1024 * 1024


class Collected:
    """The beginning and the end of an answer; of a huge one the middle goes.

    Providers state usage at the ends. A part costs an append and nothing else.
    """

    def __init__(self) -> None:
        self._head: list[bytes] = []
        self._tail: deque[bytes] = deque()
        self._head_left = _HEAD_BYTES
        self._tail_left = _TAIL_BYTES

    def add(self, part: bytes) -> None:
        """Take the next part."""
        if self._head_left > 0:
            self._head.append(part)
            self._head_left -= len(part)
            return
        self._tail.append(part)
        self._tail_left -= len(part)
        while self._tail_left < 0 and len(self._tail) > 1:
            self._tail_left += len(self._tail.popleft())

    def nothing_more(self) -> None:
        """Keep nothing of what follows: it cannot state usage."""
        self.add = _forget  # type: ignore[method-assign]

    def whole(self) -> bytes:
        """Return what there is."""
        return b"".join((*self._head, *self._tail))


def _forget(part: bytes) -> None:
    del part
