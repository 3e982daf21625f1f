"""Calls of which somebody else tells a moment after they have ended, in a thread."""

from __future__ import annotations

from collections.abc import Hashable
from time import monotonic, sleep
from typing import Final

__all__ = ["Untold"]

_SECONDS: Final = 2.0
_LOOK_SECONDS: Final = 0.01
_MOST: Final = 10_000


class Untold:
    """The calls that have begun and whose end was not told of yet.

    A meter waits for them before it flushes or closes, for a moment only: a call may
    be under way, and of a stream that nobody reads on no end is ever told. There is no
    lock in here that a fork could leave locked: a set adds and drops at once.
    """

    def __init__(self) -> None:
        self._calls: set[Hashable] = set()

    def begins(self, call: Hashable) -> None:
        """Take note of a call; past many, of no more."""
        if len(self._calls) < _MOST:
            self._calls.add(call)

    def told(self, call: Hashable) -> None:
        """Take note of a call's end, be it told once or several times."""
        self._calls.discard(call)

    def drain(self, timeout: float | None = None) -> bool:
        """Wait for all ends, 2 seconds at most, and never again for those.

        Always true: an end that is told later makes its event later.
        """
        patience = _SECONDS if timeout is None else min(timeout, _SECONDS)
        until = monotonic() + patience
        while self._calls and monotonic() < until:
            sleep(_LOOK_SECONDS)
        self._calls.clear()
        return True
