"""`enforce` decides over blocks and functions, and `BudgetMiddleware` over requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

from taximeter_producers.attribution import attribute, usage_recorded
from taximeter_producers.guard.asgi import BudgetMiddleware
from taximeter_producers.guard.budget_guard import BudgetGuard
from taximeter_producers.guard.enforcement import enforce
from taximeter_schemas.errors import BudgetExceeded, BudgetUnknown, ConfigurationError
from taximeter_schemas.subjects import Subject
from taximeter_schemas.usage import UsageRecorded
from tests.guarding import a_budget, a_guard, a_status

ADA = Subject("user", "ada")


def spent() -> BudgetGuard:
    """Return a guard of which the user ada has nothing left."""
    budget = a_budget(scope={"user": "ada"})
    return a_guard([budget, a_status(subject=ADA, spent_usd="10")])[0]


def falling_back() -> BudgetGuard:
    """Return a guard which sends ada's calls to another model."""
    fields: dict[str, Any] = {"on_exceeded": "fallback", "fallback_model": "mini"}
    budget = a_budget(scope={"user": "ada"}, limit_usd="0", **fields)
    return a_guard([budget])[0]


def an_event() -> UsageRecorded:
    """Return the event of a call that is made here."""
    return usage_recorded(provider="p", model="m", usage={})


def test_a_block_is_entered_if_there_is_room() -> None:
    """Its events are attributed to whom it was checked for."""
    guard = spent()

    with enforce(guard, user="bob", project="p", model="gpt-4o") as decision:
        event = an_event()

    assert decision.model == "gpt-4o"
    assert (event.user_id, event.project_id) == ("bob", "p")
    with pytest.raises(BudgetExceeded), enforce(guard, user="ada"):
        pytest.fail("the block was entered")
    assert an_event().user_id == "unattributed"


async def test_a_block_of_async_code_is_one_too() -> None:
    """`async with` does the same."""
    async with enforce(spent(), user="bob"):
        assert an_event().user_id == "bob"
    with pytest.raises(BudgetExceeded):
        async with enforce(spent(), user="ada"):
            pytest.fail("the block was entered")


def test_ignored_budgets_stand_in_the_event() -> None:
    """Who looks at the ledger sees which calls were made in spite of them, and why."""
    guard = spent()
    with enforce(guard, user="ada", tags={"a": "b"}, ignore_budget="incident 42"):
        event = an_event()
        assert guard.check().reason == "ignored"
        tagged = usage_recorded(
            provider="p", model="m", usage={}, tags={"budget_ignored": "no", "c": "d"}
        )
    assert event.tags == {"a": "b", "budget_ignored": "incident 42"}
    assert tagged.tags == {"a": "b", "c": "d", "budget_ignored": "incident 42"}
    assert an_event().tags == {}


def test_the_reason_is_kept_beside_any_number_of_tags() -> None:
    """An event has at most 32 tags, and this is one of them."""
    many = {f"t{n}": "x" for n in range(32)}
    with attribute(tags=many), enforce(spent(), user="ada", ignore_budget="why"):
        event = an_event()
        full = usage_recorded(
            provider="p", model="m", usage={}, tags={f"u{n}": "x" for n in range(32)}
        )
    assert len(event.tags) == len(full.tags) == 32
    assert event.tags["budget_ignored"] == full.tags["budget_ignored"] == "why"


def test_a_function_is_called_if_there_is_room() -> None:
    """Whom each call is for is found in its arguments."""

    @enforce(spent(), whom=lambda question, user: {"user": user})
    def answer(question: str, user: str) -> str:
        """Answer."""
        return f"{an_event().user_id}: {question}"

    assert answer("why?", user="bob") == "bob: why?"
    assert answer.__doc__ == "Answer."
    with pytest.raises(BudgetExceeded):
        answer("why?", "ada")


async def test_a_coroutine_function_is_too() -> None:
    """It stays one, and is attributed while it runs."""

    @enforce(spent(), whom=lambda user: {"user": user})
    async def answer(user: str) -> str:
        await asyncio.sleep(0)
        return an_event().user_id

    assert asyncio.iscoroutinefunction(answer)
    assert [*await asyncio.gather(answer("bob"), answer("eve"))] == ["bob", "eve"]
    with pytest.raises(BudgetExceeded):
        await answer("ada")


def test_a_parameter_called_model_is_asked_for_and_replaced() -> None:
    """A function without one cannot use a fallback, and is stopped."""
    guard = falling_back()

    @enforce(guard, user="ada")
    def chosen(question: str, model: str = "gpt-4o") -> str:
        return model

    @enforce(guard, user="ada")
    def fixed(question: str) -> str:
        return question

    assert (chosen("why?"), chosen("why?", "claude")) == ("mini", "mini")
    assert chosen("why?", model="mini") == "mini"
    with pytest.raises(BudgetExceeded):
        fixed("why?")


def test_an_estimate_is_made_of_the_arguments() -> None:
    """A call that would pass the limit is stopped, a free one is not."""
    guard, _ = a_guard([a_budget(limit_usd="1")])

    @enforce(guard, estimate=lambda tokens: tokens / 1000)
    def answer(tokens: int) -> int:
        return tokens

    assert (answer(1000), answer(0)) == (1000, 0)
    with pytest.raises(BudgetExceeded, match=r"1\.001 more are asked for"):
        answer(1001)
    with (
        pytest.raises(ConfigurationError, match="estimate_usd"),
        enforce(guard, estimate=lambda: 1),
    ):
        pytest.fail("the block was entered")


def an_app(guard: BudgetGuard) -> FastAPI:
    """Return a service that answers questions for whom a header names."""
    app = FastAPI()

    def whom(scope: Mapping[str, Any]) -> dict[str, Any] | None:
        if scope["path"] == "/health":
            return None
        user = dict(scope["headers"]).get(b"x-user", b"nobody").decode()
        return {"user": user, "endpoint": scope["path"]}

    app.add_middleware(BudgetMiddleware, guard=guard, whom=whom)

    @app.get("/answer")
    def answer(request: Request) -> dict[str, Any]:
        event = an_event()
        decision = request.state.budget_decision
        return {
            "user": event.user_id,
            "endpoint": event.endpoint,
            "model": decision.model,
        }

    @app.get("/health")
    def health() -> str:
        return "well"

    @app.get("/late")
    def late() -> str:
        guard.check(user="ada")
        return "never"

    @app.get("/stream")
    def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[str]:
            yield "begun"
            guard.check(user="ada")

        return StreamingResponse(parts())

    return app


def a_client(app: FastAPI) -> httpx.AsyncClient:
    """Return a client of an app in this process."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app")


async def test_a_request_is_answered_if_there_is_room() -> None:
    """What is made in it is attributed, and the decision is at hand."""
    async with a_client(an_app(falling_back())) as client:
        answer = await client.get("/answer", headers={"x-user": "ada"})
    assert answer.json() == {"user": "ada", "endpoint": "/answer", "model": "mini"}


@pytest.mark.parametrize("path", ["/answer", "/late"])
async def test_a_request_without_room_is_a_402(path: str) -> None:
    """Whether it was refused before it or in it; the body says all there is to say."""
    user = {"x-user": "ada" if path == "/answer" else "bob"}
    async with a_client(an_app(spent())) as client:
        answer = await client.get(path, headers=user)
        assert (await client.get("/health", headers=user)).json() == "well"
    assert answer.status_code == 402
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "error": {
            "type": "budget_exceeded",
            "message": "budget b: user ada has spent 10 of 10 USD: raise its limit, "
            "or wait until 2026-11-23 00:00 UTC",
            "budget_id": "b",
            "subject": {"user": "ada"},
            "unit": "usd",
            "limit": "10.000000000000",
            "spent": "10.000000000000",
            "estimate": None,
            "resets_at": "2026-11-23T00:00:00+00:00",
        }
    }


async def test_a_budget_that_nobody_knows_is_a_503() -> None:
    """It is not the caller's fault."""
    guard, _ = a_guard(None, when_unknown="fail_closed")
    async with a_client(an_app(guard)) as client:
        answer = await client.get("/answer")
    assert answer.status_code == 503
    assert answer.json()["error"]["type"] == "budget_unknown"


async def test_an_answer_that_has_begun_is_not_begun_again() -> None:
    """The error goes on to the server, which cuts the answer off."""
    async with a_client(an_app(spent())) as client:
        with pytest.raises((BudgetExceeded, BudgetUnknown, ExceptionGroup)):
            await client.get("/stream", headers={"x-user": "bob"})


async def test_middleware_without_whom_only_answers() -> None:
    """It asks nobody, and turns refusals into answers."""
    app = FastAPI()
    app.add_middleware(BudgetMiddleware)

    @app.get("/")
    def root() -> None:
        spent().check(user="ada")

    async with a_client(app) as client:
        assert (await client.get("/")).status_code == 402
