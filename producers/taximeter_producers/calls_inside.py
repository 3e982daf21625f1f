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
