"""Tells whether a metered client has made calls in a stretch of a program.

Whatever a stretch starts with a copy of its context, tasks and threads, belongs to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

__all__ = ["CallsInside", "call_begins", "counting"]


class CallsInside:
    """How many calls began in one stretch, and in those inside it."""

    def __init__(self) -> None:
        self.count = 0
        self.over = False

    def begin(self) -> None:
        """Count what begins from here on in this context, until `end`.

        For frameworks that tell of a beginning and of an end, maybe each in a context
        of its own; what was left behind so is forgotten with the next beginning.
        """
        _around.set((*(one for one in _around.get() if not one.over), self))

    def end(self) -> None:
        """Count no more."""
        self.over = True
        _around.set(tuple(one for one in _around.get() if one is not self))

    def told(self) -> None:
        """Count this stretch as a call, for those that began before it."""
        for one in _around.get():
            if one is self:
                return
            one.count += 1


_around: Final[ContextVar[tuple[CallsInside, ...]]] = ContextVar(
    "taximeter_calls_inside", default=()
)


def call_begins() -> None:
    """Count a call for every stretch around it."""
    for calls in _around.get():
        calls.count += 1


@contextmanager
def counting(calls: CallsInside) -> Iterator[None]:
    """Count what begins in the block.

    >>> calls = CallsInside()
    >>> with counting(calls):
    ...     call_begins()
    >>> calls.count
    1
    """
    token = _around.set((*_around.get(), calls))
    try:
        yield
    finally:
        _around.reset(token)
