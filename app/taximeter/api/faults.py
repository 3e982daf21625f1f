"""Faults as answers: what a client did wrong, and what is away just now.

Every answer to a fault has a `detail` in words; nothing that a client sends ends as
an internal error.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Literal

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from taximeter.api.bounds import Unread
from taximeter.api.room import NoRoom, NotAcknowledged
from taximeter.api.services import services
from taximeter_schemas.errors import (
    BrokerUnavailable,
    BufferFull,
    ConfigurationError,
    EventRefused,
    EventTooLarge,
    LedgerError,
    LedgerTooNew,
    LedgerUnavailable,
)

__all__ = ["Answers", "Fault", "Refused", "explain_faults", "explained", "faults"]

_RETRY_AFTER: Final = {"Retry-After": "5"}


class Fault(BaseModel):
    """Why there is no answer."""

    detail: str


class Refused(Fault):
    """Why nothing of what was sent was accepted."""

    accepted: Literal[0] = 0


Answers = dict[int | str, dict[str, Any]]
"""What a route may answer besides success, as OpenAPI is told of it."""


def faults(
    wrong: str = "The question is wrong.",
    away: str = "The ledger cannot be read just now.",
) -> Answers:
    """Return the two faults that nearly every route may answer with, in these words."""
    return {
        422: {"model": Fault, "description": wrong},
        503: {"model": Fault, "description": away},
    }


def explain_faults(app: FastAPI) -> None:
    """Let an application answer faults with their words."""
    for kind, explain in _EXPLAINED.items():
        app.add_exception_handler(kind, explain)


async def explained(request: Request, error: Exception) -> Response | None:
    """Return the answer to a fault, None for one that nobody foresaw."""
    for kind in type(error).__mro__:
        if kind in _EXPLAINED:
            return await _EXPLAINED[kind](request, error)
    return None


async def _wrong_parameter(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    clauses = (f"{fault['loc'][-1]}: {fault['msg']}" for fault in error.errors())
    return JSONResponse({"detail": "; ".join(clauses)}, 422)


async def _wrong_question(_: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, 422)


async def _away(_: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, 503, headers=_RETRY_AFTER)


async def _no_room(request: Request, error: Exception) -> Response:
    nothing = "nothing of this request was accepted"
    return _later(request, 429, f"{error}, as many as may: {nothing}", {"accepted": 0})


async def _buffer_full(request: Request, error: Exception) -> Response:
    assert isinstance(error, BufferFull)
    return await _no_room(request, NoRoom(f"{error.limit} events wait for Kafka"))


async def _not_acknowledged(request: Request, error: Exception) -> Response:
    # Not `accepted`: nobody knows. Kafka may have them, and if not, may get them yet.
    return _later(request, 503, f"{error}, and may still get them", {})


async def _not_sent(request: Request, error: Exception) -> Response:
    return _later(request, 503, str(error), {})


def _later(request: Request, code: int, words: str, known: dict[str, int]) -> Response:
    """Answer with when to send the same again, which is safe: events count once."""
    seconds = services(request).room.retry_after_seconds
    detail = f"{words}; send the same again in {seconds} s"
    return JSONResponse(known | {"detail": detail}, code, {"Retry-After": str(seconds)})


async def _unread(_: Request, error: Exception) -> Response:
    assert isinstance(error, Unread)
    nothing = {"accepted": 0, "detail": error.detail}
    return JSONResponse(nothing, error.status_code, error.headers)


async def _too_large(request: Request, error: Exception) -> Response:
    return await _unread(request, Unread(413, str(error)))


_EXPLAINED: Final[
    Mapping[type, Callable[[Request, Exception], Awaitable[Response]]]
] = {
    RequestValidationError: _wrong_parameter,
    ConfigurationError: _wrong_question,
    LedgerError: _wrong_question,
    LedgerUnavailable: _away,
    LedgerTooNew: _away,
    BrokerUnavailable: _away,
    NoRoom: _no_room,
    BufferFull: _buffer_full,
    NotAcknowledged: _not_acknowledged,
    EventRefused: _not_sent,
    Unread: _unread,
    EventTooLarge: _too_large,
}
