"""The HTTP API, put together: a router a noun."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from taximeter.api import (
    alerts,
    budgets,
    definitions,
    events,
    forecast,
    guard,
    health,
    metrics,
    missing_prices,
    raw,
    reservations,
    spend,
    spend_now,
    system,
    traces,
)
from taximeter.api.access import Access
from taximeter.api.bounds import BodyBounds
from taximeter.api.counting import RequestCounts
from taximeter.api.faults import explain_faults
from taximeter.api.known_tokens import KnownTokens
from taximeter.api.metrics import Counts, metrics_registry
from taximeter.api.openapi import describe_api
from taximeter.api.room import Limits, Room
from taximeter.api.services import LedgerDesk, Services
from taximeter.api_tokens import TokenFile
from taximeter.otlp.intake import Intake
from taximeter.page import live, sign_in
from taximeter.page import routes as page
from taximeter.state import DataDir
from taximeter_producers.kafka import KafkaEmitter
from taximeter_producers.reservations import Reservations
from taximeter_schemas.clock import Clock, SystemClock
from taximeter_schemas.topics import Topics

__all__ = ["create_app"]

# A request holds all the events that it brings, so waiting for more gains little.
_LINGER_MS: Final = 5
_CLOSE_SECONDS: Final = 10.0


def create_app(
    *,
    bootstrap: str,
    topics: Topics,
    data: DataDir,
    clock: Clock | None = None,
    limits: Limits | None = None,
    tokens: Path | None = None,
    always_tokens: bool = False,
) -> FastAPI:
    """Return the application; it connects to Kafka while it runs.

    Args:
        bootstrap: Kafka's address.
        topics: the installation's topics.
        data: where the ledger, and what the sink says about itself, is found; and
            where events are left that Kafka has not taken by the end.
        clock: tells the moment against which events are judged to be ahead of time.
        limits: how much it may take on.
        tokens: the file of its tokens; without it, that of the data directory.
        always_tokens: whether a token is needed even while there is none.
    """
    room = Room(limits or Limits())
    answered = Counter[tuple[str, str, int]]()
    refused = Counter[str]()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        emitter = KafkaEmitter(
            bootstrap,
            topics,
            linger_ms=_LINGER_MS,
            max_pending=room.limits.pending_events,
            client_id="taximeter-api",
            flush_on_sigterm=False,
            spool_dir=data.spool,
        )
        desk = LedgerDesk(data)
        reserving = Reservations(bootstrap, topics, name="taximeter-api")
        spans = Intake()
        counts = Counts(answered, refused, spans.outcomes)
        registry = metrics_registry(data, emitter, room, counts)
        app.state.services = Services(
            bootstrap,
            topics,
            emitter,
            desk,
            clock or SystemClock(),
            room,
            registry,
            reserving,
            refused,
            spans,
            data,
        )
        try:
            yield
        finally:
            await asyncio.to_thread(reserving.close)
            await emitter.aclose(_CLOSE_SECONDS)
            desk.close()
            spans.close()

    app = FastAPIOffline(
        lifespan=lifespan, redoc_url=None, static_url="/static/docs", **_described()
    )
    app.add_middleware(BodyBounds, limits=room.limits)
    known = KnownTokens(TokenFile(tokens or data.api_tokens))
    app.state.tokens = known
    app.add_middleware(Access, tokens=known, always=always_tokens)
    app.add_middleware(RequestCounts, counts=answered)  # around it: refusals count too
    app.state.closing = _never  # until whoever serves it says when it ends
    routers = (
        events,
        spend,
        spend_now,
        forecast,
        budgets,
        alerts,
        missing_prices,
        definitions,
        guard,
        health,
        system,
        metrics,
        raw,
        reservations,
        traces,
        page,
        live,
        sign_in,
    )
    for module in routers:
        app.include_router(module.router)
    explain_faults(app)
    describe_api(app)
    return app


def _never() -> bool:
    return False


def _described() -> dict[str, Any]:
    return {
        "title": "Taximeter",
        "version": version("taximeter"),
        "summary": "The running meter for LLM spend.",
        "description": "Amounts are strings: a JSON number would not keep them exact.",
    }
