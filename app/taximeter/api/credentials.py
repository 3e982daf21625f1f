"""What a request shows of who sends it: a token in its header, or in a cookie.

A browser sends the cookie by itself, so it counts only for what reads; a site elsewhere
cannot have it sent at all (`SameSite=Strict`).
"""

from __future__ import annotations

from typing import Final

from fastapi import Request
from starlette.types import Scope

__all__ = ["COOKIE", "READING", "credentials"]

COOKIE: Final = "taximeter_token"
"""The cookie that the page's sign-in sets."""

READING: Final = frozenset({"GET", "HEAD"})
"""The methods for which a cookie will do."""


def credentials(scope: Scope) -> str | None:
    """Return the token that a request shows, None if it shows none.

    A header decides where there is one, whatever a cookie says.

    >>> scope = {"type": "http", "method": "GET",
    ...          "headers": [(b"cookie", b"taximeter_token=t1")]}
    >>> credentials(scope), credentials(scope | {"method": "PUT"})
    ('t1', None)
    """
    request = Request(scope)
    header = request.headers.get("authorization")
    if header is not None:
        kind, _, text = header.partition(" ")
        return text.strip() or None if kind.lower() == "bearer" else None
    return request.cookies.get(COOKIE) if scope["method"] in READING else None
