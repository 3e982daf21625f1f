"""Bodies as they arrive: how large, how slow, and in which encoding."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from fastapi import FastAPI, Request

from taximeter.api.bodies import read_body
from taximeter.api.bounds import BodyBounds
from taximeter.api.faults import explain_faults
from taximeter.api.room import Limits, Room

LIMITS = Limits(body_bytes=1024 * 1024, body_seconds=0.2)
ROOM = Room(LIMITS)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of a small application that says what it has read."""
    app = FastAPI()
    app.add_middleware(BodyBounds, limits=LIMITS)
    explain_faults(app)

    @app.post("/")
    async def tell(request: Request) -> str:
        with ROOM.place() as place:
            body = await read_body(request, place, LIMITS.body_bytes)
            assert ROOM.pending_bytes >= len(body)
        return f"{len(body)} {body[:3].decode()}"

    @app.put("/")
    async def take(entry: dict[str, int]) -> dict[str, int]:
        return entry

    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        yield client
    assert (ROOM.requests, ROOM.pending_bytes) == (0, 0)


GZIP = {"Content-Encoding": "gzip"}


async def test_gzip_is_inflated(client: httpx.AsyncClient) -> None:
    """Also of several members, in small parts, and with nothing in it."""
    zipped = gzip.compress(b"abc" * 50_000)

    async def in_parts() -> AsyncIterator[bytes]:
        for at in range(0, len(zipped), 7):
            yield zipped[at : at + 7]

    answers = [
        await client.post("/", content=zipped, headers=GZIP),
        await client.post("/", content=zipped + gzip.compress(b"d"), headers=GZIP),
        await client.post("/", content=in_parts(), headers=GZIP),
        await client.post("/", content=gzip.compress(b""), headers=GZIP),
        await client.post("/", content=b" abc ", headers={"Content-Encoding": ""}),
    ]
    assert [answer.json() for answer in answers] == [
        "150000 abc",
        "150001 abc",
        "150000 abc",
        "0 ",
        "3 abc",
    ]


async def test_a_bomb_is_stopped_while_it_inflates(client: httpx.AsyncClient) -> None:
    """What would be 64 MiB takes no more memory than the bound."""
    inner = zlib.compressobj(wbits=31)
    piece = b"\0" * (1 << 20)
    bomb = b"".join(inner.compress(piece) for _ in range(64)) + inner.flush()
    assert len(bomb) < LIMITS.body_bytes
    tracemalloc.start()
    answer = await client.post("/", content=bomb, headers=GZIP)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert answer.status_code == 413
    assert answer.json()["accepted"] == 0
    assert "inflated" in answer.json()["detail"]
    assert most < 8 * LIMITS.body_bytes


@pytest.mark.parametrize(
    ("bent", "status"),
    [
        (lambda zipped: zipped[:-1], 400),
        (lambda zipped: zipped[:10], 400),
        (lambda zipped: zipped + b"more", 400),
        (lambda zipped: zipped[:-8] + b"12345678", 400),
        (lambda _: b"plain", 400),
        (lambda _: b"", 400),
        (lambda _: gzip.compress(b"") * 2_000, 400),
    ],
)
async def test_what_is_no_gzip_is_told(
    client: httpx.AsyncClient, bent: Callable[[bytes], bytes], status: int
) -> None:
    """Cut short, with a wrong sum, of thousands of empty members, or none at all."""
    answer = await client.post("/", content=bent(gzip.compress(b"abc")), headers=GZIP)
    assert answer.status_code == status
    assert answer.json() == {
        "accepted": 0,
        "detail": "the body is not gzip, or ends too early",
    }


async def test_other_encodings_are_named(client: httpx.AsyncClient) -> None:
    """415 says what is read."""
    for encoding in ("br", "gzip, gzip", "ü"):
        headers = {b"Content-Encoding": encoding.encode()}
        answer = await client.post("/", content=b"abc", headers=headers)
        assert answer.status_code == 415
        assert answer.headers["accept-encoding"] == "gzip"


async def test_every_route_is_bounded(client: httpx.AsyncClient) -> None:
    """A body that FastAPI reads itself may be neither too large nor too slow."""

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 65_536

    async def drop_by_drop() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.01)

    headers = {"Content-Type": "application/json"}
    for method in ("PUT", "POST"):
        large = await client.request(method, "/", content=endless(), headers=headers)
        slow = await client.request(
            method, "/", content=drop_by_drop(), headers=headers
        )
        said = await client.request(
            method,
            "/",
            content=b"{}",
            headers=headers | {"Content-Length": "9" * 5_000},
        )
        assert (large.status_code, slow.status_code) == (413, 408), method
        assert slow.headers["connection"] == "close"
        assert said.status_code == 413
    assert (await client.put("/", json={"a": 1})).json() == {"a": 1}
