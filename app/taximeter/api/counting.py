"""Counts the requests that were answered, in the thinnest of layers around them all."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["RequestCounts"]

# Paths that nobody serves have no end: they count as one.
_ELSEWHERE: Final = "other"
_FAILED: Final = 500
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})


class RequestCounts:
    """Passes requests on, and counts each by method, path and status.

    Args:
        app: what answers.
        counts: is added to; the path is the route's, with no parameter filled in.
    """

    def __init__(self, app: ASGIApp, counts: Counter[tuple[str, str, int]]) -> None:
        self._app = app
        self._counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or whatever else a server asks for."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._counts[_kind_of(scope, message["status"])] += 1
            await send(message)

        try:
            await self._app(scope, receive, counted)
        except Exception:  # whoever stands around this answers it so
            self._counts[_kind_of(scope, _FAILED)] += 1
            raise


def _kind_of(scope: Scope, status: int) -> tuple[str, str, int]:
    route: Any = scope.get("route")
    path = getattr(route, "path", _ELSEWHERE)
    method = scope["method"] if scope["method"] in _METHODS else _ELSEWHERE
    return method, path, status
