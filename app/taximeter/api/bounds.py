"""How large a request's body may be and how long it may take, whoever reads it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from fastapi import HTTPException
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taximeter.api.room import Limits

__all__ = ["BodyBounds", "BodyTooLarge", "BodyTooSlow", "Unread"]

_MOST_DIGITS: Final = 18


class Unread(HTTPException):
    """A body that was not read to its end; nothing of it was accepted."""

    def __init__(
        self, status: int, words: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, words, headers)


class BodyTooLarge(Unread):
    """More at once than one request may bring."""

    def __init__(self, limit: str) -> None:
        super().__init__(413, f"a body has at most {limit}: send less at once")


class BodyTooSlow(Unread):
    """A body that had not arrived when its time was over."""

    def __init__(self, seconds: float) -> None:
        words = f"the body has not arrived within {seconds:g} s"
        super().__init__(408, words, {"Connection": "close"})


class BodyBounds:
    """Stops whoever reads a body that is too large or too slow.

    The routes learn of it as of any other fault: as an error where they read.

    Args:
        app: whose requests are bounded.
        limits: how much and how long is too much.
    """

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or whatever else a server asks for."""
        if scope["type"] == "http":
            receive = _Body(scope, receive, self._limits).receive
        await self._app(scope, receive, send)


class _Body:
    """One body as it arrives; what comes after it is passed on as it is."""

    def __init__(self, scope: Scope, receive: Receive, limits: Limits) -> None:
        self._announced = Headers(scope=scope).get("content-length", "0")
        self._receive = receive
        self._limits = limits
        self._size = 0
        self._complete = False
        self._due = asyncio.get_running_loop().time() + limits.body_seconds

    async def receive(self) -> Message:
        """Return the next part.

        Raises:
            BodyTooLarge: as soon as it is known to be.
            BodyTooSlow: its time is over.
        """
        if self._complete:
            return await self._receive()
        if not self._size:
            self._require(_number(self._announced))
        message = await self._part()
        self._size += len(message.get("body", b""))
        self._complete = not message.get("more_body", False)
        self._require(self._size)
        return message

    def _require(self, size: int | None) -> None:
        most = self._limits.body_bytes
        if size is None or size > most:
            raise BodyTooLarge(f"{most} bytes")

    async def _part(self) -> Message:
        try:
            async with asyncio.timeout_at(self._due):
                return await self._receive()
        except TimeoutError:
            raise BodyTooSlow(self._limits.body_seconds) from None


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else None
