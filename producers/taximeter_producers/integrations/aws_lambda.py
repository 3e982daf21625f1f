"""Meters functions of AWS Lambda, which freezes a process as soon as it has answered.

    @flushed
    def answer(event, context): ...

What a frozen process holds is sent when it is woken, if it ever is; so it must hold
nothing. Nothing of Amazon's is imported in here.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Final, TypeVar

from taximeter_producers.emitter import Rarely
from taximeter_producers.meter import flush

__all__ = ["flushed"]

log = logging.getLogger(__name__)

E = TypeVar("E")
C = TypeVar("C")
R = TypeVar("R")

_MOST_SECONDS: Final = 5.0
_LEFT_SECONDS: Final = 0.5
_rarely: Final = Rarely()


def flushed(function: Callable[[E, C], R]) -> Callable[[E, C], R]:
    """Have all events in Kafka before the function's answer, or its error, is out.

    It waits for 5 seconds at most, and never past half a second before the function's
    own time limit. What Kafka did not have by then is logged, and sent with the next
    invocation of the same process, if there is one.
    """

    @functools.wraps(function)
    def flushing(event: E, context: C) -> R:
        try:
            return function(event, context)
        finally:
            _flush(_patience(context))

    return flushing


def _flush(seconds: float) -> None:
    if not flush(seconds) and _rarely.now():
        log.warning("usage events wait in a process that may be frozen now")


def _patience(context: object) -> float:
    """Return how long there is to wait, in seconds.

    >>> _patience(None)
    5.0
    """
    left = getattr(context, "get_remaining_time_in_millis", None)
    seconds = float(left()) / 1000 - _LEFT_SECONDS if left else _MOST_SECONDS
    return min(_MOST_SECONDS, max(0.0, seconds))
