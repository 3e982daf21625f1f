"""Waiting for something to become true, with a limit: never a sleep for luck."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

__all__ = ["eventually", "eventually_async"]

T = TypeVar("T")

_PAUSE_SECONDS = 0.05


def eventually(condition: Callable[[], T], timeout: float = 30.0) -> T:
    """Return the condition's first true answer; fail when the time is over.

    An assertion inside the condition counts as "not yet", and is what the test
    fails with in the end.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            if answer := condition():
                return answer
            wrong: AssertionError = AssertionError(f"not within {timeout} s")
        except AssertionError as error:
            wrong = error
        if time.monotonic() > deadline:
            raise wrong
        time.sleep(_PAUSE_SECONDS)


async def eventually_async(
    condition: Callable[[], Awaitable[T]], timeout: float = 30.0
) -> T:
    """Do the same with a condition that has to be awaited."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            if answer := await condition():
                return answer
            wrong: AssertionError = AssertionError(f"not within {timeout} s")
        except AssertionError as error:
            wrong = error
        if time.monotonic() > deadline:
            raise wrong
        await asyncio.sleep(_PAUSE_SECONDS)
