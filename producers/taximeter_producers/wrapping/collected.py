"""What has been read of an answer so far, as it came over the wire, within bounds."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

__all__ = ["Collected"]

_HEAD_BYTES: Final = 1024 * 1024
_TAIL_BYTES: Final = 15 * 1024 * 1024
_WHOLE_BYTES: Final = 512 * 1024 * 1024


class Collected:
    """The beginning and the end of an answer; of a huge one the middle goes.

    Providers state usage at the ends. A part costs an append and nothing else.
    """

    def __init__(self) -> None:
        self._head: list[bytes] = []
        self._tail: deque[bytes] = deque()
        self._head_left = _HEAD_BYTES
        self._tail_left = _TAIL_BYTES
        self._worth: Callable[[bytes], bool] | None = None

    def add(self, part: bytes) -> None:
        """Take the next part."""
        if self._worth is not None and not self._judged(part):
            return
        if self._head_left > 0:
            self._head.append(part)
            self._head_left -= len(part)
            return
        self._tail.append(part)
        self._tail_left -= len(part)
        while self._tail_left < 0 and len(self._tail) > 1:
            self._tail_left += len(self._tail.popleft())

    def keep_whole(self, worth: Callable[[bytes], bool] | None) -> None:
        """Keep the middle too, of what is not more than providers' largest files.

        Args:
            worth: tells by the beginning whether it is to be kept at all.
        """
        self._head_left, self._worth = _WHOLE_BYTES, worth

    @property
    def size(self) -> int:
        """Return how many bytes there are."""
        return sum(map(len, self._head)) + sum(map(len, self._tail))

    def nothing_more(self) -> None:
        """Keep nothing of what follows: it cannot state usage."""
        self.add = _forget  # type: ignore[method-assign]

    def _judged(self, first: bytes) -> bool:
        worth, self._worth = self._worth, None
        if worth is None or worth(first):
            return True
        self.nothing_more()
        return False

    def whole(self) -> bytes:
        """Return what there is."""
        return b"".join((*self._head, *self._tail))


def _forget(part: bytes) -> None:
    del part
