"""Budgets and plans over HTTP: set, changed, removed, and who did it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from taximeter.api.app import create_app
from taximeter.broker.topic_io import read_topic
from taximeter.budget_book import in_force
from taximeter.state import DataDir
from taximeter_schemas.clock import ManualClock
from taximeter_schemas.topics import Topics
from tests.builders import NOON

pytestmark = pytest.mark.broker


@pytest.fixture
async def api(
    bootstrap: str, topics: Topics, tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of an API in front of the real broker."""
    app = create_app(
        bootstrap=bootstrap,
        topics=topics,
        data=DataDir(tmp_path),
        clock=ManualClock(NOON),
    )
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://api") as client,
    ):
        yield client


async def test_a_budget_is_set_changed_and_removed(
    api: httpx.AsyncClient, bootstrap: str, topics: Topics
) -> None:
    """It stands on the topic with who set it; setting it again changes nothing."""
    entry = {"scope": "user=alice & model=gpt-4o", "period": "day", "limit_usd": "5"}
    put = await api.put("/v1/budgets/alice", params={"by": "carol"}, json=entry)
    assert (put.status_code, put.json()["action"]) == (200, "added")
    again = await api.put("/v1/budgets/alice", json=entry)
    assert again.json() == {"action": "unchanged", "changes": ""}
    more = await api.put("/v1/budgets/alice", json=entry | {"limit_usd": "7"})
    assert more.json() == {"action": "changed", "changes": "limit_usd 5 → 7"}
    (found,) = (await api.get("/v1/budgets")).json()["budgets"]
    assert found["scope"] == {"user": "alice", "model": "gpt-4o"}
    assert (found["id"], found["fields"]["limit_usd"]) == ("alice", "7")
    first, *_ = await read_topic(bootstrap, topics.budgets)
    assert in_force([first]).budgets["alice"].defined_by == "carol"
    assert (await api.delete("/v1/budgets/alice")).json()["action"] == "removed"
    assert (await api.get("/v1/budgets")).json()["budgets"] == []
    assert (await api.delete("/v1/budgets/alice")).status_code == 422


async def test_a_user_is_put_on_a_plan(api: httpx.AsyncClient) -> None:
    """On one that there is or that is known; taken off, the user is on none."""
    refused = await api.put("/v1/plans/alice", json={"plan": "gold"})
    assert (refused.status_code, refused.json()) == (
        422,
        {"detail": "there is no plan 'gold': basic, enterprise, free, pro"},
    )
    put = await api.put("/v1/plans/alice", json={"plan": "pro"})
    assert put.json() == {"action": "added", "changes": "plan pro"}
    assert (await api.get("/v1/budgets")).json()["plans"] == {"alice": "pro"}
    (plan,) = (await api.get("/v1/budgets")).json()["budgets"]
    assert (plan["id"], plan["fields"]["limit_usd"]) == ("plan:pro", "100")
    await api.delete("/v1/plans/alice")
    assert (await api.get("/v1/budgets")).json()["plans"] == {}


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({}, "scope: is needed"),
        ({"scope": "everything", "period": "day"}, "one of limit_usd"),
        ({"scope": "x=1", "period": "day", "limit_usd": 1}, "scope: is everything"),
        (
            {"scope": "everything", "period": "day", "limit_usd": -1},
            "limit_usd: Input should be greater",
        ),
        ({"scope": "everything", "id": "other", "perod": "day"}, "perod: no such"),
    ],
)
async def test_what_is_no_budget_is_told(
    api: httpx.AsyncClient, entry: dict[str, object], words: str
) -> None:
    """The answer says which field is wrong and why, and nothing is set."""
    refused = await api.put("/v1/budgets/a", json=entry)
    assert refused.status_code == 422
    assert words in refused.json()["detail"]
    assert (await api.get("/v1/budgets")).json()["budgets"] == []
