"""A service that answers 402 to users who have nothing left.

pip install 'taximeter[api]'
TAXIMETER_BOOTSTRAP=HOST:PORT uvicorn --app-dir examples guard_service:app
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request

import taximeter

guard = taximeter.BudgetGuard()  # needs no broker to start


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Let go of Kafka with the service."""
    yield
    guard.close()


def whom(scope: Mapping[str, Any]) -> dict[str, Any] | None:
    """Say whose request this is; None for those that spend nothing."""
    if scope["path"] == "/health":
        return None
    headers = dict(scope["headers"])
    user = headers.get(b"x-user", b"unattributed").decode("latin-1")
    return {"user": user, "endpoint": scope["path"], "model": "gpt-4o"}


app = FastAPI(lifespan=lifespan)
app.add_middleware(taximeter.BudgetMiddleware, guard=guard, whom=whom)


@app.get("/answer")
async def answer(request: Request) -> dict[str, str]:
    """Answer with the model that the budgets let us call."""
    decision: taximeter.Decision = request.state.budget_decision
    return {"model": str(decision.model), "reason": decision.reason}


@app.get("/health")
async def health() -> dict[str, bool]:
    """Say that the service runs, and whether it knows the budgets."""
    return {"budgets_known": guard.stats().age_seconds is not None}
