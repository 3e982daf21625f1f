"""Faults as answers: what a client did wrong, and what is away just now.

Every answer to a fault has a `detail` in words; nothing that a client sends ends as
an internal error.
"""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from taximeter_schemas.errors import (
    ConfigurationError,
    LedgerError,
    LedgerTooNew,
    LedgerUnavailable,
)

__all__ = ["RETRY_AFTER", "Fault", "explain_faults"]

RETRY_AFTER: Final = {"Retry-After": "5"}


class Fault(BaseModel):
    """Why there is no answer."""

    detail: str


def explain_faults(app: FastAPI) -> None:
    """Let an application answer faults with their words."""
    app.add_exception_handler(RequestValidationError, _wrong_parameter)
    app.add_exception_handler(ConfigurationError, _wrong_question)
    app.add_exception_handler(LedgerError, _wrong_question)
    app.add_exception_handler(LedgerUnavailable, _ledger_away)
    app.add_exception_handler(LedgerTooNew, _ledger_away)


async def _wrong_parameter(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    clauses = (f"{fault['loc'][-1]}: {fault['msg']}" for fault in error.errors())
    return JSONResponse({"detail": "; ".join(clauses)}, 422)


async def _wrong_question(_: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, 422)


async def _ledger_away(_: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, 503, headers=RETRY_AFTER)
