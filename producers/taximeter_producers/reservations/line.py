"""The thread in which a desk works, with an event loop that serves nobody else."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Final, TypeVar

from taximeter_producers.loop import CourierLoop
from taximeter_producers.reservations.desk import Desk

__all__ = ["Line"]

T = TypeVar("T")

log = logging.getLogger(__name__)

_STOP_SECONDS: Final = 5.0


class Line:
    """Runs a desk, and what is asked of it from other threads."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._pid = os.getpid()
        self._loop = CourierLoop()
        self._stopping = asyncio.Event()
        self._doing = set[Future[Any]]()
        self._thread = threading.Thread(
            target=self._run, name="taximeter-reservations", daemon=True
        )
        self._thread.start()

    @property
    def is_ours(self) -> bool:
        """Whether this is the process that has the thread, and no child of it."""
        return self._pid == os.getpid()

    def do(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Have something done in the thread."""
        doing = asyncio.run_coroutine_threadsafe(work, self._loop)
        self._doing.add(doing)
        doing.add_done_callback(self._doing.discard)
        return doing

    def stop(self) -> None:
        """End the thread, once what was sent is acknowledged or some time has gone."""
        with suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        self._loop.serve(self._until_stopped(), log)

    async def _until_stopped(self) -> None:
        running = asyncio.ensure_future(self.desk.run())
        await self._stopping.wait()
        doing = [asyncio.wrap_future(work) for work in tuple(self._doing)]
        if doing:
            await asyncio.wait(doing, timeout=_STOP_SECONDS / 2)
        running.cancel()
        await asyncio.wait({running}, timeout=_STOP_SECONDS / 2)
        await self._loop.end_rest(_STOP_SECONDS / 2)
