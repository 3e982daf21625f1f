"""The layer around the API: who is let in, and what the others are told."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI, Request

from taximeter.api.access import OPEN, Access, caller, needed
from taximeter.api.app import create_app
from taximeter.api.credentials import COOKIE
from taximeter.api.known_tokens import KnownTokens
from taximeter.api_tokens import ApiToken, Permission, TokenFile
from taximeter.broker.ports import is_loopback
from taximeter.state import DataDir
from taximeter_schemas.topics import Topics
from tests.builders import NOON
from tests.running_system import taximeter


@pytest.fixture
def file(tmp_path: Path) -> TokenFile:
    """Give a file that is not there yet."""
    return TokenFile(tmp_path / "api-tokens.json")


@asynccontextmanager
async def _guarded(
    file: TokenFile, *, always: bool = False
) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of a small application behind the layer."""
    inner = FastAPI(docs_url=None)

    @inner.get("/{path:path}")
    @inner.put("/{path:path}")
    @inner.post("/{path:path}")
    def tell(request: Request) -> list[str]:
        return list(caller(request).sources)

    app = Access(inner, KnownTokens(file), always=always)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        yield client


def _bearing(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


async def test_without_tokens_nobody_needs_one(file: TokenFile) -> None:
    """As long as none was made all may do all, unless the API was told otherwise."""
    async with _guarded(file) as client:
        assert (await client.put("/v1/budgets/a")).status_code == 200
    async with _guarded(file, always=True) as client:
        assert (await client.get("/v1/spend")).status_code == 401
        assert (await client.get("/healthz")).status_code == 200


async def test_the_first_token_closes_the_api(file: TokenFile) -> None:
    """From then on a request without, or with a wrong one, is told what to do."""
    async with _guarded(file) as client:
        made = file.create("ci", NOON)
        without = await client.post("/v1/events")
        wrong = await client.post("/v1/events", headers=_bearing("secret"))
        basic = await client.post("/v1/events", auth=("ci", made.text))
        right = await client.post("/v1/events", headers=_bearing(made.text))
        file.revoke(made.token.id, NOON)
        revoked = await client.post("/v1/events", headers=_bearing(made.text))
    answers = [without, wrong, basic, right, revoked]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 200, 401]
    assert "'taximeter tokens create' makes one" in without.json()["detail"]
    assert without.headers["www-authenticate"] == 'Bearer realm="taximeter"'
    assert 'error="invalid_token"' in wrong.headers["www-authenticate"]


@pytest.mark.parametrize(
    ("may", "allowed"),
    [("write", (200, 403, 403)), ("read", (403, 200, 403)), ("admin", (403, 403, 200))],
)
async def test_a_token_may_do_what_it_was_made_for(
    file: TokenFile, may: Permission, allowed: tuple[int, ...]
) -> None:
    """Nothing else, and the answer names what it lacks."""
    text = file.create("ci", NOON, (may,)).text
    async with _guarded(file) as client:
        answers = [
            await client.post("/v1/events", headers=_bearing(text)),
            await client.get("/v1/spend", headers=_bearing(text)),
            await client.put("/v1/budgets/a", headers=_bearing(text)),
        ]
    assert tuple(answer.status_code for answer in answers) == allowed
    (refused, _) = (answer for answer in answers if answer.status_code == 403)
    assert "token 'ci' may not do this: it needs" in refused.json()["detail"]


async def test_a_cookie_will_do_for_what_reads(file: TokenFile) -> None:
    """Nobody can have a browser change anything with it; a header goes before it."""
    text = file.create("ci", NOON, ("read", "write", "admin")).text
    async with _guarded(file) as client:
        client.cookies.set(COOKIE, text)
        answers = [
            await client.get("/v1/spend"),
            await client.post("/v1/events"),
            await client.put("/v1/budgets/a"),
            await client.get("/v1/spend", headers=_bearing("secret")),
        ]
    assert [answer.status_code for answer in answers] == [200, 401, 401, 401]


async def test_who_opens_the_page_is_asked_for_a_token_there(file: TokenFile) -> None:
    """The way leads back to the view; nothing else is led anywhere."""
    file.create("ci", NOON)
    async with _guarded(file) as client:
        page = await client.get("/?user=ada&last=30d")
        asked = await client.get("/v1/spend")
    assert page.status_code == 303
    expected = "/sign-in?next=%2F%3Fuser%3Dada%26last%3D30d"
    assert page.headers["location"] == expected
    assert asked.status_code == 401


async def test_a_token_is_held_to_its_rate(file: TokenFile) -> None:
    """429 says when to come back; another token is not held up by it."""
    one = file.create("one", NOON, rate="2/hour")
    other = file.create("other", NOON, rate="2/hour")
    async with _guarded(file) as client:
        answers = [
            await client.post("/v1/events", headers=_bearing(made.text))
            for made in (one, one, one, other)
        ]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 200]
    assert 1 <= int(answers[2].headers["retry-after"]) <= 3600
    assert "token 'one' may ask 2/hour" in answers[2].json()["detail"]


async def test_routes_know_whose_events_a_caller_writes(file: TokenFile) -> None:
    """The sources of a token stand beside its request."""
    text = file.create("ci", NOON, ("write",), ("a", "b")).text
    async with _guarded(file) as client:
        answer = await client.post("/v1/events", headers=_bearing(text))
    assert answer.json() == ["a", "b"]


async def test_tokens_that_cannot_be_read_let_nobody_in(
    file: TokenFile, caplog: pytest.LogCaptureFixture
) -> None:
    """503, and where it lies is told to the log and not to strangers."""
    file.path.write_text("{")
    async with _guarded(file) as client:
        answer = await client.get("/v1/spend")
    assert answer.status_code == 503
    assert str(file.path) not in answer.text
    assert str(file.path) in caplog.text


async def test_a_token_never_comes_into_a_log(
    file: TokenFile, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither a right one nor a wrong one, at any level, nor into an answer."""
    made = file.create("ci", NOON, ("read",))
    wrong = made.text + "x"
    with caplog.at_level(logging.DEBUG):
        async with _guarded(file) as client:
            answers = [
                await client.get("/v1/spend", headers=_bearing(made.text)),
                await client.post("/v1/events", headers=_bearing(made.text)),
                await client.get("/v1/spend", headers=_bearing(wrong)),
            ]
    said = caplog.text + "".join(answer.text for answer in answers)
    assert made.text.rpartition("_")[2] not in said


async def test_no_route_is_forgotten(tmp_path: Path) -> None:
    """Each route of the real application asks for a token, but for those named open."""
    app = create_app(
        bootstrap="nowhere:9092",
        topics=Topics(),
        data=DataDir(tmp_path),
        always_tokens=True,
    )
    transport = httpx.ASGITransport(app)
    paths = app.openapi()["paths"]
    asked = [(method, path) for path, methods in paths.items() for method in methods]
    assert ("post", "/v1/events") in asked
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        for method, path in asked:
            if not path.startswith(OPEN):
                answer = await client.request(method, path)
                assert answer.status_code == 401, (method, path)


def test_what_nobody_thought_of_needs_the_most() -> None:
    """A path beside a known one is not taken for it."""
    assert needed("POST", "/v1/events/") == "write"
    assert needed("POST", "/v1/eventsandmore") == "admin"
    assert needed("DELETE", "/v1/anything") == "admin"
    assert needed("GET", "/healthz/../v1/spend") is None  # no route has such a path
    assert needed("GET", "/") == "read"


def test_the_file_knows_no_field_that_this_version_does_not() -> None:
    """A token of a later version is refused rather than taken for more than it is."""
    fields = {"id": "1", "name": "a", "sha256": "", "may": (), "created_at": NOON}
    with pytest.raises(ValueError, match="budgets_only"):
        ApiToken.model_validate(fields | {"budgets_only": ["a"]})


def test_an_api_for_others_does_not_start_without_a_token(tmp_path: Path) -> None:
    """It says what to do, before anything listens."""
    places = ("--data", str(tmp_path), "--bootstrap", "127.0.0.1:1", "--port", "0")
    done = taximeter("api", "--host", "0.0.0.0", *places)
    assert done.returncode == 1
    assert "taximeter tokens create NAME" in done.stderr
    assert "--open" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("host", "alone"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("192.168.0.7", False),
        ("example.org", False),
    ],
)
def test_which_addresses_nobody_else_reaches(host: str, alone: bool) -> None:
    """Those of this machine; a name that says nothing is taken for one that is not."""
    assert is_loopback(host) is alone
