"""Connections on which the head of a request never ends: closed after a while.

uvicorn waits for a head as long as it takes, and a connection that says nothing counts
against what it serves at once.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["closing_slow_heads"]


def closing_slow_heads(seconds: float) -> type[HttpToolsProtocol]:
    """Return what uvicorn speaks HTTP by, with so much time for the head of a request.

    It begins with the connection, and with each further request on it; between two of
    them uvicorn's own limit holds.
    """

    class Protocol(HttpToolsProtocol):
        _due: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:  # noqa: ANN401
            super().connection_made(transport)
            self._begin()

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._begin()

        def on_headers_complete(self) -> None:
            self._end()
            super().on_headers_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            self._end()
            super().connection_lost(exc)

        def _begin(self) -> None:
            self._end()
            self._due = self.loop.call_later(seconds, self.transport.close)

        def _end(self) -> None:
            if self._due is not None:
                self._due.cancel()
                self._due = None

    return Protocol
