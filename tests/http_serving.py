"""An application behind a real HTTP server, for clients that speak real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import ASGIApp

from taximeter.broker.ports import free_port
from tests.waiting import eventually_async

__all__ = ["served"]


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[str]:
    """Serve an application for as long as the block runs; gives its address."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="critical"))
    task = asyncio.create_task(server.serve())

    async def started() -> bool:
        return server.started

    try:
        await eventually_async(started)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task
