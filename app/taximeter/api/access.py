"""Who may do what: a layer around the whole API, so that no route is forgotten.

Every request needs a token, but for the paths that `OPEN` names, and as long as there
are no tokens at all and `Access` was told that it may do without. What a token must be
allowed to do follows from method and path; a route that nobody has thought of here
needs the most. Whoever opens the page without one is led to where it is asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, cast
from urllib.parse import urlencode

from fastapi import Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from taximeter.api.credentials import credentials
from taximeter.api.known_tokens import KnownTokens
from taximeter.api.rates import Rates
from taximeter.api_tokens import ApiToken, Permission
from taximeter_producers.emitter import Rarely
from taximeter_schemas.errors import ConfigurationError

__all__ = ["OPEN", "Access", "Caller", "caller", "needed"]

log = logging.getLogger(__name__)

OPEN: Final = (
    "/healthz",
    "/openapi.json",
    "/docs",
    "/static",
    "/sign-in",
    "/sign-out",
)
"""Paths, and all below them, that tell nothing of anybody's spend."""

_WRITING: Final = ("/v1/events", "/v1/raw", "/v1/traces", "/v1/reservations")
_WHO: Final = 401
_ASKING: Final = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class Caller:
    """Who asks; without a token, where none is needed, anybody."""

    token: ApiToken | None = None

    def writes_for(self, source: str) -> bool:
        """Tell whether events of a source are the caller's to write."""
        sources = self.token.sources if self.token else ()
        return not sources or source in sources

    def lacks(self, source: str) -> str:
        """Return why events of this source are not the caller's to write."""
        assert self.token is not None
        own = ", ".join(self.token.sources)
        return f"token {self.token.name!r} writes events of {own}, not of {source!r}"

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources whose events the caller may write; empty for all."""
        return self.token.sources if self.token else ()


class _Refusal(NamedTuple):
    status: int
    detail: str
    headers: dict[str, str]

    def answer(self, scope: Scope) -> Response:
        if self.status == _WHO and (scope["method"], scope["path"]) == ("GET", "/"):
            view = urlencode({"next": f"/?{scope['query_string'].decode('latin-1')}"})
            return RedirectResponse(f"/sign-in?{view}", 303)
        return JSONResponse({"detail": self.detail}, self.status, self.headers)


def needed(method: str, path: str) -> Permission | None:
    """Return what a token must be allowed to do; None if no token is needed.

    >>> needed("POST", "/v1/events"), needed("PUT", "/v1/new"), needed("GET", "/docs")
    ('write', 'admin', None)
    """
    if _is_below(path, OPEN):
        return None
    if method in _ASKING:
        return "read"
    return "write" if _is_below(path, _WRITING) else "admin"


def caller(request: Request) -> Caller:
    """Return who sent a request that was let in."""
    return cast("Caller", request.state.caller)


class Access:
    """Lets requests in that may be let in, and says why to the others.

    Args:
        app: what answers those that are let in.
        tokens: that there are.
        always: whether a token is needed even while there is none.
    """

    def __init__(self, app: ASGIApp, tokens: KnownTokens, *, always: bool) -> None:
        self._app = app
        self._tokens = tokens
        self._always = always
        self._rates = Rates()
        self._rarely = Rarely()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request in, or refuse it before anything of its body is read."""
        if scope["type"] == "http":
            found = self._let_in(scope)
            if isinstance(found, _Refusal):
                await found.answer(scope)(scope, receive, send)
                return
            scope.setdefault("state", {})["caller"] = found
        await self._app(scope, receive, send)

    def _let_in(self, scope: Scope) -> Caller | _Refusal:
        need = needed(scope["method"], scope["path"])
        if need is None:
            return Caller()
        try:
            if not self._always and not self._tokens.any():
                return Caller()
            token = self._token(scope)
        except ConfigurationError as error:
            if self._rarely.now():
                log.error("nobody is let in: %s", error)
            detail = "the API's tokens cannot be read: its log says why"
            return _Refusal(503, detail, {"Retry-After": "5"})
        if isinstance(token, _Refusal):
            return token
        return self._allowed(token, need)

    def _token(self, scope: Scope) -> ApiToken | _Refusal:
        text = credentials(scope)
        if text is None:
            return _unknown(
                "this API needs a token: send 'Authorization: Bearer …' "
                "('taximeter tokens create' makes one)"
            )
        token = self._tokens.named_by(text)
        return token or _unknown("this token is unknown or revoked", "invalid_token")

    def _allowed(self, token: ApiToken, need: Permission) -> Caller | _Refusal:
        if need not in token.may:
            named = f"token {token.name!r} may not do this: it needs '{need}'"
            return _Refusal(403, named, _asks(error="insufficient_scope", scope=need))
        if seconds := self._rates.wait_seconds(token):
            often = f"token {token.name!r} may ask {token.rate}"
            detail = f"{often}: send the same again in {seconds} s"
            return _Refusal(429, detail, {"Retry-After": str(seconds)})
        return Caller(token)


def _unknown(detail: str, error: str | None = None) -> _Refusal:
    return _Refusal(_WHO, detail, _asks(**({"error": error} if error else {})))


def _asks(**facts: str) -> dict[str, str]:
    """Return the header of RFC 6750 that says which token is asked for."""
    said: dict[str, Any] = {"realm": "taximeter", **facts}
    words = ", ".join(f'{name}="{value}"' for name, value in said.items())
    return {"WWW-Authenticate": f"Bearer {words}"}


def _is_below(path: str, places: Iterable[str]) -> bool:
    return any(path == place or path.startswith(f"{place}/") for place in places)
