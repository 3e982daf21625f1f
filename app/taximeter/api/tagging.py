"""ETags: who has an answer already is told so, and not sent it again."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from hashlib import blake2b
from typing import Any, Final

from fastapi import Request, Response
from fastapi.routing import APIRoute

__all__ = ["TaggedRoute", "entity_tag", "is_known"]

_GET: Final = ("GET", "HEAD")
_OK: Final = 200


class TaggedRoute(APIRoute):
    """A route whose answers have an ETag: the same tag, the same answer to the byte.

    A browser asks each time whether what it holds still is the answer.
    """

    def get_route_handler(
        self,
    ) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        answer = super().get_route_handler()

        async def tagged(request: Request) -> Response:
            response = await answer(request)
            if request.method not in _GET or response.status_code != _OK:
                return response
            tag = entity_tag(bytes(response.body))
            headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
            if is_known(tag, request.headers.get("if-none-match", "")):
                return Response(status_code=304, headers=headers)
            response.headers.update(headers)
            return response

        return tagged


def entity_tag(body: bytes) -> str:
    """Return the ETag of an answer.

    >>> entity_tag(b"7") == entity_tag(b"7") != entity_tag(b"8")
    True
    """
    return f'"{blake2b(body, digest_size=16).hexdigest()}"'


def is_known(tag: str, known: str) -> bool:
    """Tell whether an `If-None-Match` names a tag.

    >>> is_known('"a"', 'W/"a", "b"'), is_known('"a"', "*"), is_known('"a"', "")
    (True, True, False)
    """
    named = [one.strip().removeprefix("W/") for one in known.split(",")]
    return "*" in named or tag in named
