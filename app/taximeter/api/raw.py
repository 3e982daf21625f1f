"""`POST /v1/raw/{provider}`: a provider's answer, as it is, and whose call it was."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field, ValidationError
from starlette.requests import ClientDisconnect

from taximeter.api.access import Caller, caller
from taximeter.api.bodies import read_body
from taximeter.api.faults import Answers, Fault
from taximeter.api.intake import Taken, Wrong, taken_of
from taximeter.api.recording import ANSWERS, Recorded, deliver, record
from taximeter.api.room import Place
from taximeter.api.services import Services, services
from taximeter.raw_answers import RawCall, RawFacts, events_of_answer
from taximeter.raw_shapes import STREAM_MARKS, Answer
from taximeter_schemas.fields import MAX_COUNT
from taximeter_schemas.records import explained
from taximeter_schemas.usage import EmittedEvent, UsageNotUnderstood

__all__ = ["router"]

router = APIRouter(tags=["events"])

_PROVIDER: Final = Path(max_length=256, description="As events name it: `openai`, …")
_OF_ENVELOPE: Final = {"response", "attribution"}
_ENVELOPE: Final = {*_OF_ENVELOPE, *RawCall.model_fields}


class RawQuery(RawFacts):
    """What may be said in the address; tags as `tag=NAME=VALUE`, as often as wanted."""

    duration_ms: Annotated[int, Field(ge=0, le=MAX_COUNT)] | None = None
    tag: list[Annotated[str, Field(pattern="^[^=]+=.+$")]] = Field(default_factory=list)

    def said(self) -> dict[str, Any]:
        """Return it by the names of `RawCall`."""
        fields = self.model_dump(exclude={"tag"}, exclude_unset=True)
        tags = dict(pair.split("=", 1) for pair in self.tag)
        return fields | ({"tags": tags} if tags else {})


class RawRecorded(Recorded):
    """The ids under which the call, and what is billed beside it, are counted."""

    event_ids: list[UUID]


class _Unusable(Exception):
    """Why nothing can be made of a request, by the names of an answer's errors."""

    def __init__(self, reason: str, detail: str) -> None:
        self.wrong = Wrong(0, reason, detail)
        super().__init__(detail)


_ANSWERS: Final[Answers] = {
    **ANSWERS,
    202: {"model": RawRecorded, "description": "Kafka has the call."},
    422: {
        "model": Recorded | Fault,
        "description": "It cannot be understood; what it says of usage is kept.",
    },
}


@router.post(
    "/v1/raw/{provider}",
    status_code=202,
    response_model=None,
    responses=_ANSWERS,
    summary="Record a provider's answer",
)
async def post_raw(
    request: Request,
    provider: Annotated[str, _PROVIDER],
    query: Annotated[RawQuery, Query()],
) -> Response:
    """Record the call that an answer answers, streamed or not, and keep no text of it.

    The body is the answer itself; or `{"response": …, "attribution": {…}}`, where whose
    call it was is not said in the address.
    """
    at = services(request)
    with at.room.place() as place:
        try:
            events = await _arrived(request, place, at, provider, query)
        except ClientDisconnect:
            return Response(status_code=400)
        except _Unusable as error:
            return await record(Taken((), [error.wrong]), place, at)
        return await _recorded(events, place, at, caller(request))


async def _arrived(
    request: Request, place: Place, at: Services, provider: str, query: RawQuery
) -> list[EmittedEvent]:
    body = await read_body(request, place, at.room.limits.body_bytes)
    # In a thread: a stream that states no usage has its tokens counted.
    return await asyncio.to_thread(_events, provider, body, query, at.clock.now())


def _events(
    provider: str, body: bytes, query: RawQuery, now: datetime
) -> list[EmittedEvent]:
    answer, beside = _opened(_parsed(body))
    try:
        said = RawCall.model_validate({**beside, **query.said()})
        events = events_of_answer(provider.lower(), answer, said, now)
    except ValidationError as error:
        raise _Unusable("invalid_event", explained(error)) from None
    if not events:
        raise _Unusable("not_finished", "the call is under way: post its final answer")
    return events


def _parsed(body: bytes) -> object:
    """Return what a body is: JSON, or else the text of a stream."""
    try:
        return json.loads(body)
    except RecursionError:
        raise _Unusable("not_json", "nested too deeply") from None
    except ValueError as error:
        text = body.decode(errors="replace")
        if text.startswith("{"):  # a chunk a line
            return text.splitlines()
        if text.startswith(STREAM_MARKS):
            return text
        raise _Unusable("not_json", f"neither JSON nor a stream: {error}") from None


def _opened(parsed: object) -> tuple[Answer, dict[str, Any]]:
    """Return the answer, and what an envelope around it says."""
    said: dict[str, Any] = {}
    if isinstance(parsed, dict) and "response" in parsed and parsed.keys() <= _ENVELOPE:
        said = {name: parsed[name] for name in parsed if name not in _OF_ENVELOPE}
        attribution = parsed.get("attribution") or {}
        if not isinstance(attribution, dict):
            raise _Unusable("invalid_event", "attribution: is not an object")
        said, parsed = said | attribution, parsed["response"]
    if isinstance(parsed, (dict, list, str)):
        return parsed, said
    raise _Unusable("not_an_event", "an answer is an object, chunks, or their text")


async def _recorded(
    events: list[EmittedEvent], place: Place, at: Services, by: Caller
) -> Response:
    taken = taken_of(events, at.clock.now(), by)
    first = events[0]
    if taken.wrong:
        return await record(Taken((), taken.wrong), place, at)
    await deliver(taken.events, place, at)
    if isinstance(first, UsageNotUnderstood):
        detail = f"{first.detail}; kept as a dead letter, event {first.event_id}"
        wrong = Wrong(0, "usage_not_understood", detail)
        return await record(Taken((), [wrong]), place, at)
    ids = [str(event.event_id) for event in events]
    return JSONResponse({"accepted": len(ids), "event_ids": ids}, 202)
