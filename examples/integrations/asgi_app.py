"""A web service whose calls are for whom its gateway says; any ASGI server runs it.

    pip install taximeter openai starlette httpx uvicorn
    TAXIMETER_BOOTSTRAP=localhost:9092 OPENAI_API_KEY=… uvicorn asgi_app:app

Run as a script it asks itself one question.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from openai import AsyncOpenAI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import taximeter
from taximeter_producers.integrations.asgi import AttributionMiddleware

client = taximeter.wrap(AsyncOpenAI())


async def answer(request: Request) -> PlainTextResponse:
    """Answer one question."""
    said = await client.chat.completions.create(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": request.query_params["q"]}],
    )
    return PlainTextResponse(said.choices[0].message.content or "")


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    """Meter for as long as the service runs."""
    taximeter.start()
    yield
    await client.close()
    await asyncio.to_thread(taximeter.stop)


app = Starlette(
    routes=[Route("/answer", answer)],
    middleware=[
        Middleware(
            AttributionMiddleware,
            headers={"user": "x-user-id"},
            attribute=lambda scope: {"project": "examples", "endpoint": scope["path"]},
        )
    ],
    lifespan=lifespan,
)


async def main() -> None:
    """Do as a gateway does, without one."""
    transport = httpx.ASGITransport(app=app)
    async with (
        lifespan(app),
        httpx.AsyncClient(transport=transport, base_url="http://service") as http,
    ):
        asked = {"q": "What is the capital of France?"}
        said = await http.get("/answer", params=asked, headers={"x-user-id": "ada"})
        print(said.text)


if __name__ == "__main__":
    asyncio.run(main())
