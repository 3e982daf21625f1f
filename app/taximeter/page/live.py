"""`GET /live`: spend now, as it changes, for the page that is open in a browser."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Final, cast

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from taximeter.api.services import Services, services
from taximeter.page.figures import ask_now
from taximeter.page.pulse import Beat, Pulse
from taximeter.page.rendering import render
from taximeter.page.view import View
from taximeter.page.viewer import view_of
from taximeter_schemas.errors import LedgerError
from taximeter_sinks.queries import Ledger

__all__ = ["router"]

router = APIRouter(include_in_schema=False)

_MOST_LISTENERS: Final = 200
# What is not said anew for so long is said again: an hour passes without events too,
# and a connection on which nothing moves is cut by what stands between.
_REPEAT_SECONDS: Final = 15.0
_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_LOOK_SECONDS: Final = 0.5
_RETRY: Final = "retry: 3000\n\n"


@router.get("/live")
async def get_live(request: Request) -> Response:
    """Return a stream of server-sent events: `now`, or `away` with the reason."""
    pulse = _pulse(request)
    if pulse.listeners >= _MOST_LISTENERS:
        words = f"{_MOST_LISTENERS} pages are live already: close one, or reload"
        return Response(words, 503, headers={"Retry-After": "30"})
    told = _told(request, pulse, view_of(request))
    return StreamingResponse(told, media_type="text/event-stream", headers=_HEADERS)


async def _told(request: Request, pulse: Pulse, view: View) -> AsyncIterator[str]:
    at, closing = services(request), request.app.state.closing
    known, quiet = None, 0.0
    yield _RETRY
    async with pulse:
        while not closing():
            beat = await pulse.after(known, _LOOK_SECONDS)
            quiet = quiet + _LOOK_SECONDS if beat == known else 0.0
            if beat is None or (beat == known and quiet < _REPEAT_SECONDS):
                continue
            yield await _event(at, pulse, view, beat, changed=known not in (None, beat))
            known, quiet = beat, 0.0


async def _event(
    at: Services, pulse: Pulse, view: View, beat: Beat, *, changed: bool
) -> str:
    if beat.away is not None:
        return _sent("away", {"why": beat.away})
    try:
        key = f"{at.clock.now():%H:%M} {view.zone} {view.only}"
        html = await pulse.shared(key, lambda: _now(at, view))
    except LedgerError as error:
        return _sent("away", {"why": str(error)})
    return _sent("now", {"html": html, "changed": changed})


async def _now(at: Services, view: View) -> str:
    def question(ledger: Ledger) -> str:
        return render("now.html", now_rows=ask_now(ledger, view, at.clock.now()))

    return await at.desk.ask(question)


def _sent(name: str, data: dict[str, object]) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


def _pulse(request: Request) -> Pulse:
    """Return the pulse of the application that was asked; the first one starts it."""
    state = request.app.state
    if not hasattr(state, "pulse"):
        state.pulse = Pulse(services(request).desk)
    return cast("Pulse", state.pulse)
