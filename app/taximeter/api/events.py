"""`POST /v1/events`: usage events in, accepted when Kafka has them."""

from __future__ import annotations

from functools import partial
from typing import Final

from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from taximeter.api.access import caller
from taximeter.api.bodies import read_body
from taximeter.api.bounds import Unread
from taximeter.api.cloud_events import (
    BATCHED,
    STRUCTURED,
    read_batch,
    read_binary,
    read_structured,
)
from taximeter.api.intake import Read, Taken, read_lines, read_one_text, taken
from taximeter.api.recording import ANSWERS, record
from taximeter.api.room import Place
from taximeter.api.services import Services, services

__all__ = ["router"]

router = APIRouter(tags=["events"])

_JSON: Final = ("application/json", "application/x-www-form-urlencoded", "")
"""What says JSON, and what says nothing: curl names a form unless told otherwise."""

_LINES: Final = ("application/x-ndjson", "application/ndjson", "application/jsonl")
_FORMS: Final[dict[str, Read]] = {
    **dict.fromkeys(_JSON, read_one_text),
    **dict.fromkeys(_LINES, read_lines),
    STRUCTURED: read_structured,
    BATCHED: read_batch,
}


class WrongType(Unread):
    """A body of a kind that is not read here."""

    def __init__(self, given: str) -> None:
        known = f"application/json, application/x-ndjson, {STRUCTURED} or {BATCHED}"
        super().__init__(415, f"Content-Type {given[:80]!r} is not read: send {known}")


@router.post(
    "/v1/events",
    status_code=202,
    response_model=None,
    responses=ANSWERS,
    summary="Record usage",
)
async def post_events(request: Request) -> Response:
    """Record one event, or many: those that are right, and say what is wrong.

    202 means that Kafka has what was accepted. After any other answer send the same
    again once its cause is gone: an event counts once, however often it arrives.
    """
    at = services(request)
    with at.room.place() as place:
        try:
            found = await _arrived(request, place, at)
        except ClientDisconnect:
            return Response(status_code=400)
        return await record(found, place, at)


async def _arrived(request: Request, place: Place, at: Services) -> Taken:
    # On its own, so that the body is gone while its events wait for Kafka.
    read = _form(request)
    body = await read_body(request, place, at.room.limits.body_bytes)
    return await taken(body, read, at.clock.now(), caller(request))


def _form(request: Request) -> Read:
    named = request.headers.get("content-type", "")
    kind = named.partition(";")[0].strip().lower()
    if kind in _JSON and "ce-specversion" in request.headers:
        return partial(read_binary, request.headers)
    if kind not in _FORMS:
        raise WrongType(kind)
    return _FORMS[kind]
