"""The event loop in which an emitter's thread sends; it serves nobody else."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any

__all__ = ["CourierLoop"]


class CourierLoop(asyncio.SelectorEventLoop):
    """An event loop that can resolve names while the interpreter is shutting down.

    The usual way is a thread pool, and that refuses work by then, which is when
    `atexit` flushes. No thread can be started then either: what is left is to
    resolve the name here, where it holds up nothing but this loop.
    """

    def serve(self, work: Coroutine[Any, Any, None], log: logging.Logger) -> None:
        """Run a thread's work to its end, then close.

        Args:
            work: what the thread does.
            log: is told of what aiokafka leaves behind in a client that was thrown
                away, which is no news.
        """
        self.set_exception_handler(lambda _, context: log.debug("%s", context))
        try:
            self.run_until_complete(work)
        finally:
            self.close()

    async def end_rest(self, timeout: float) -> None:
        """Cancel all tasks but this one: aiokafka leaves some without a broker."""
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        if rest:
            await asyncio.wait(rest, timeout=timeout)

    async def getaddrinfo(  # type: ignore[override]
        self, host: str | None, port: int | str | None, **options: int
    ) -> list[Any]:
        """Resolve a name, in a thread if there can be one."""
        answer: Future[list[Any]] = Future()

        def resolve() -> None:
            if not answer.set_running_or_notify_cancel():
                return
            try:
                answer.set_result(socket.getaddrinfo(host, port, **options))
            except OSError as error:
                answer.set_exception(error)

        try:
            threading.Thread(target=resolve, daemon=True).start()
        except RuntimeError:
            resolve()
        return await asyncio.wrap_future(answer, loop=self)
