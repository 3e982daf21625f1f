"""`/sign-in`: a form that takes a token, and a cookie that keeps it in a browser."""

from __future__ import annotations

from typing import Final, cast
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from taximeter.api.credentials import COOKIE
from taximeter.api.known_tokens import KnownTokens
from taximeter.page.rendering import HEADERS, render
from taximeter.page.viewer import theme_of
from taximeter_schemas.errors import ConfigurationError

__all__ = ["router"]

router = APIRouter(include_in_schema=False)

_MOST_BYTES: Final = 4096
_SEE_OTHER: Final = 303
_OURS: Final = (None, "same-origin", "none")
_UNKNOWN: Final = "This token is unknown or revoked."
_CANNOT_READ: Final = (
    "This token may not read. 'taximeter tokens create NAME --may read' makes one "
    "that may."
)
_UNREADABLE: Final = "The tokens cannot be read just now: the API's log says why."
_NOT_OURS: Final = "Sign in from this very page."


@router.get("/sign-in")
async def get_sign_in(request: Request) -> Response:
    """Return the form."""
    return _form(request, _local(request.query_params.get("next", "/")))


@router.post("/sign-in")
async def post_sign_in(request: Request) -> Response:
    """Keep a token that may read, and go where its owner wanted to go."""
    given = await _given(request)
    following = _local(given.get("next", "/"))
    if request.headers.get("sec-fetch-site") not in _OURS:
        return _form(request, following, _NOT_OURS, 403)
    text = given.get("token", "").strip()
    try:
        wrong = _wrong(request, text)
    except ConfigurationError:
        return _form(request, following, _UNREADABLE, 503)
    if wrong is not None:
        return _form(request, following, wrong, 403)
    answer = RedirectResponse(following, _SEE_OTHER, headers=HEADERS)
    answer.set_cookie(
        COOKIE, text, httponly=True, samesite="strict", secure=_is_secure(request)
    )
    return answer


@router.post("/sign-out")
async def post_sign_out(request: Request) -> Response:
    """Forget the token; it still is worth what it was."""
    answer = RedirectResponse("/sign-in", _SEE_OTHER, headers=HEADERS)
    answer.delete_cookie(
        COOKIE, httponly=True, samesite="strict", secure=_is_secure(request)
    )
    return answer


async def _given(request: Request) -> dict[str, str]:
    """Return the fields of the form; more than a form has is left unread."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            return {}
    fields = parse_qs(body.decode(errors="replace"))
    return {name: values[-1] for name, values in fields.items()}


def _wrong(request: Request, text: str) -> str | None:
    token = cast("KnownTokens", request.app.state.tokens).named_by(text)
    if token is None:
        return _UNKNOWN
    return None if "read" in token.may else _CANNOT_READ


def _form(
    request: Request, following: str, wrong: str | None = None, code: int = 200
) -> Response:
    text = render(
        "sign_in.html",
        title="Sign in",
        theme=theme_of(request),
        scripts=False,
        next=following,
        wrong=wrong,
    )
    return HTMLResponse(text, code, headers=HEADERS)


def _local(address: str) -> str:
    """Return where to go after signing in: a view of the page, and nowhere else.

    >>> _local("/?last=30d"), _local("//elsewhere.example/"), _local("/v1/spend")
    ('/?last=30d', '/', '/')
    """
    return address if address.startswith("/?") else "/"


def _is_secure(request: Request) -> bool:
    """Tell whether the browser speaks TLS, to us or to a proxy before us."""
    forwarded = request.headers.get("x-forwarded-proto", "")
    return request.url.scheme == "https" or forwarded.strip().lower() == "https"
