"""`GET /`: the page, sent part by part as the ledger answers.

The head goes out before anything is asked, so that there is something to see however
large the ledger is. A part that cannot be had says why in its place.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse, StreamingResponse

from taximeter.api.asking import FILTERS
from taximeter.api.credentials import COOKIE
from taximeter.api.services import Services, services
from taximeter.api.system import system_health
from taximeter.page import words
from taximeter.page.figures import CARDS, ask_card, ask_now, ask_plans, ask_spent
from taximeter.page.rendering import HEADERS, STATIC, render
from taximeter.page.view import View
from taximeter.page.viewer import ZONE_COOKIE, theme_of, view_of
from taximeter_schemas.errors import ConfigurationError, LedgerError
from taximeter_sinks.queries import Ledger

__all__ = ["router"]

router = APIRouter(include_in_schema=False)

T = TypeVar("T")

_FOR_EVER: Final = {"Cache-Control": "public, max-age=31536000, immutable"}
_DIMENSIONS: Final = (*CARDS, "provider", "source", "endpoint")
_KEYS: Final = {"model": "m", "user": "u", "project": "p"}
_NO_LEDGER: Final = "The ledger cannot be read just now"


@router.get("/")
async def get_page(request: Request) -> Response:
    """Return the page for the view that the address asks for."""
    if (canonical := _added(request)) is not None:
        return RedirectResponse(canonical, 303, headers=HEADERS)
    at = services(request)
    now = at.clock.now()
    try:
        view = view_of(request)
        view.stretch(now)
    except ConfigurationError as error:
        known = {"title": "There is no such view", "words": str(error)}
        text = render("fault.html", theme=theme_of(request), scripts=False, **known)
        return HTMLResponse(text, 422, headers=HEADERS)
    parts = _parts(request, at, view, now)
    return StreamingResponse(parts, media_type="text/html", headers=HEADERS)


@router.get("/static/{name}")
async def get_static(name: str) -> Response:
    """Return a file of the package; its address changes with its content."""
    if name not in STATIC:
        return Response(status_code=404)
    file = STATIC[name]
    return Response(file.body, media_type=file.media_type, headers=_FOR_EVER)


def _added(request: Request) -> str | None:
    """Return where the form for one more choice leads: the view with it."""
    kind, value = (request.query_params.get(n, "") for n in ("only", "called"))
    if not kind or not value.strip():
        return None
    given = request.query_params.multi_items()
    rest = [(n, v) for n, v in given if n not in ("only", "called")]
    return f"/?{urlencode([*rest, (kind, value.strip())])}"


async def _parts(
    request: Request, at: Services, view: View, now: datetime
) -> AsyncIterator[str]:
    """Yield the page: its head at once, the rest as it is known."""
    yield render("top.html", **_top(request, view, now))
    yield await _spent(at, view, now)
    yield await _rest(at, view, now)
    yield render("end.html", view=view)


def _top(request: Request, view: View, now: datetime) -> dict[str, Any]:
    return {
        "view": view,
        "now": now,
        "theme": theme_of(request),
        "title": f"Spend {words.words_of(view)}",
        "scripts": True,
        "zone_known": ZONE_COOKIE in request.cookies,
        "filters": FILTERS,
        "custom": words.custom_stretch(view),
        "signed_in": COOKIE in request.cookies,
    }


async def _spent(at: Services, view: View, now: datetime) -> str:
    try:
        now_rows, spent, *cards = await asyncio.gather(
            _ask(at, ask_now, view, now),
            _ask(at, ask_spent, view, now),
            *(_ask(at, ask_card, view, now, by) for by in CARDS if by != view.by),
        )
    except LedgerError as error:
        return _away("spend", str(error))
    return render(
        "spend.html",
        view=view,
        now_rows=now_rows,
        spent=spent,
        cards=cards,
        dimensions=_told_by(view),
        keys=_KEYS,
    )


async def _rest(at: Services, view: View, now: datetime) -> str:
    plans, health = await asyncio.gather(_plans(at, view, now), system_health(at))
    return plans + render("system.html", view=view, health=health)


async def _plans(at: Services, view: View, now: datetime) -> str:
    try:
        plans = await _ask(at, ask_plans, view, now)
    except LedgerError:
        return ""  # it was said above
    return render("plans.html", view=view, plans=plans)


async def _ask(at: Services, question: Callable[..., T], *arguments: object) -> T:
    def asked(ledger: Ledger) -> T:
        return question(ledger, *arguments)

    return await at.desk.ask(asked)


def _away(part: str, why: str) -> str:
    return render("away.html", loop_id=part, title=_NO_LEDGER, words=why)


def _told_by(view: View) -> list[str]:
    return list(dict.fromkeys((*_DIMENSIONS, view.by)))
