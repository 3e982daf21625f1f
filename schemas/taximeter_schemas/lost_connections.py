"""A connection that was lost, told apart from a task that was cancelled.

aiokafka cancels whatever waits on a connection that it closes. A task in which that
passes for an end that was wanted ends for good, and says nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

__all__ = ["lost_is_an_error"]


@contextmanager
def lost_is_an_error() -> Generator[None]:
    """Let only a cancellation of this very task pass; any other is a lost connection.

    Raises:
        ConnectionError: what the block waited for was cancelled, and nobody cancelled
            the task.
    """
    try:
        yield
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise ConnectionError("the connection was closed") from None
