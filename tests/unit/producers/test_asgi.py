"""Calls that are made while a web request is answered are for whom it says."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from taximeter_producers.attribution import current_attribution
from taximeter_producers.integrations.asgi import AttributionMiddleware


async def whom(request: Request) -> Response:
    """Answer with whom a call would be for here, and in a thread."""
    await asyncio.sleep(0)
    threaded = (await run_in_threadpool(current_attribution)).fields()
    assert threaded == current_attribution().fields()
    return JSONResponse(threaded)


async def streamed(request: Request) -> Response:
    """Answer piece by piece, when the handler has long returned."""

    async def pieces() -> AsyncIterator[str]:
        for _ in range(2):
            await asyncio.sleep(0)
            yield str(current_attribution().user_id)

    return StreamingResponse(pieces())


def client(**options: Any) -> httpx.AsyncClient:  # noqa: ANN401
    """Return a client of an application behind the middleware."""
    app = Starlette(routes=[Route("/whom", whom), Route("/streamed", streamed)])
    around: Any = AttributionMiddleware(app, **options)
    transport = httpx.ASGITransport(app=around)
    return httpx.AsyncClient(transport=transport, base_url="http://test")


NAMED = {"user": "X-User-Id", "project": "x-project", "tags.team": "x-team"}


async def test_headers_say_it() -> None:
    """Each header that was named says its part, and only for its own request."""
    async with client(headers=NAMED) as http:
        sent = {"x-user-id": "ada", "x-project": "search", "x-team": "growth"}
        one, other = await asyncio.gather(
            http.get("/whom", headers=sent),
            http.get("/whom", headers={"x-user-id": "bob"}),
        )
    assert one.json() == {
        "user_id": "ada",
        "project_id": "search",
        "tags": {"team": "growth"},
    }
    assert other.json() == {"user_id": "bob"}
    assert current_attribution().user_id is None


async def test_a_streamed_answer() -> None:
    """What is made while the answer is sent belongs to the request too."""
    async with client(headers=NAMED) as http:
        answer = await http.get("/streamed", headers={"x-user-id": "ada"})
    assert answer.text == "adaada"


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_callable_says_it(asynchronous: bool) -> None:
    """It is given the scope, may wait, and wins over headers."""

    def said(scope: Any) -> Any:  # noqa: ANN401
        names = {"user": "bob", "endpoint": scope["path"], "colour": "red"}

        async def later() -> dict[str, str]:
            return names

        return later() if asynchronous else names

    async with client(headers=NAMED, attribute=said) as http:
        answer = await http.get("/whom", headers={"x-user-id": "a", "x-project": "p"})
    assert answer.json() == {
        "user_id": "bob",
        "project_id": "p",
        "endpoint": "/whom",
    }


async def test_a_callable_that_raises(caplog: pytest.LogCaptureFixture) -> None:
    """The request is answered, unattributed, and the log says why."""
    with caplog.at_level(logging.ERROR):
        async with client(attribute=lambda scope: scope["nothing"]) as http:
            answer = await http.get("/whom")
    assert answer.json() == {}
    assert "not attributed" in caplog.text


def test_a_misspelt_name_is_told_at_once() -> None:
    """The application does not start with it."""
    with pytest.raises(ValueError, match=r"'usr': use user, project"):
        AttributionMiddleware(Starlette(), headers={"usr": "x-user-id"})
