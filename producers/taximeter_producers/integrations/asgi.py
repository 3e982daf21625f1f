"""ASGI middleware that says whom the calls of a web request are for.

    app.add_middleware(AttributionMiddleware, headers={"user": "x-user-id"})

It needs no web framework: FastAPI, Starlette, Quart, Django and others take it.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

from taximeter_producers.attribution import attribute
from taximeter_producers.emitter import Rarely

__all__ = ["AttributionMiddleware"]

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Names = Mapping[str, Any]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Attribute = Callable[[Scope], Names | Awaitable[Names | None] | None]

_TAG: Final = "tags."
_KNOWN: Final = ("user", "project", "session", "conversation", "endpoint")


class AttributionMiddleware:
    """Attributes every LLM call that is made while a request is answered.

    What a browser sends in a header anybody can write: name headers that your own
    gateway sets, or look into the session with `attribute`.

    Args:
        app: the application.
        headers: `user`, `project`, `session`, `conversation`, `endpoint`, or
            `tags.NAME`, and the header that says it.
        attribute: given the ASGI scope, returns arguments of `taximeter.attribute`, or
            None; may be asynchronous. It wins over headers. If it raises, that is
            logged, and the request goes on.
    """

    def __init__(
        self,
        app: App,
        *,
        headers: Mapping[str, str] | None = None,
        attribute: Attribute | None = None,
    ) -> None:
        wrong = [name for name in headers or () if not _is_known(name)]
        if wrong:
            known = ", ".join((*_KNOWN, "tags.NAME"))
            raise ValueError(f"no attribution is called {wrong[0]!r}: use {known}")
        self._app = app
        self._headers = {h.lower().encode(): n for n, h in (headers or {}).items()}
        self._attribute = attribute
        self._rarely = Rarely()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hold a connection, with its calls attributed."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        with attribute(**await self._names(scope)):
            await self._app(scope, receive, send)

    async def _names(self, scope: Scope) -> dict[str, Any]:
        try:
            names = self._from_headers(scope)
            said = self._attribute(scope) if self._attribute else None
            found = await said if inspect.isawaitable(said) else said
            return names | dict(_fitting(found or {}))
        except Exception:
            if self._rarely.now():
                log.exception("calls of a request are not attributed")
            return {}

    def _from_headers(self, scope: Scope) -> dict[str, Any]:
        names: dict[str, Any] = {}
        tags: dict[str, str] = {}
        for header, value in scope.get("headers", ()):
            name = self._headers.get(header.lower())
            if name is None:
                continue
            text = value.decode("latin-1")
            if name.startswith(_TAG):
                tags[name.removeprefix(_TAG)] = text
            else:
                names[name] = text
        return names | ({"tags": tags} if tags else {})


def _is_known(name: str) -> bool:
    return name in _KNOWN or (name.startswith(_TAG) and name != _TAG)


def _fitting(names: Names) -> list[tuple[str, Any]]:
    """Return what `attribute` takes; a name that it does not know is left out."""
    return [(n, v) for n, v in names.items() if n in (*_KNOWN, "tags")]
