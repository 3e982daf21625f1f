"""A guard that has no Kafka asks the API, and knows what a guard with Kafka knows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from taximeter.api.app import create_app
from taximeter.api_tokens import TokenFile
from taximeter.broker.ports import free_port
from taximeter.state import DataDir
from taximeter_producers.guard.budget_guard import BudgetGuard
from taximeter_schemas.budgets import BudgetEvent, BudgetStatus, budget_key
from taximeter_schemas.clock import ManualClock
from taximeter_schemas.errors import BudgetExceeded, ConfigurationError
from taximeter_schemas.subjects import Subject, subject_of
from taximeter_schemas.topics import Topics
from taximeter_sinks.decode import RawRecord
from taximeter_sinks.duckdb_sink import DuckDBSink
from tests.builders import NOON
from tests.guarding import a_budget, a_plan, a_status, status_key
from tests.http_serving import served
from tests.waiting import eventually

TOPICS = Topics()
ADA_IN_X = subject_of({"user": "ada", "tag:team": "x"})


async def _ledger(data: Path, *events: BudgetEvent | BudgetStatus) -> None:
    """Write a ledger in which these stand."""
    sink = DuckDBSink(DataDir(data).ledger, TOPICS)
    records: list[RawRecord] = []
    for offset, event in enumerate(events):
        if isinstance(event, BudgetStatus):
            topic, key = TOPICS.budget_status, status_key(event)
        else:
            topic, key = TOPICS.budgets, budget_key(event)
        value = event.model_dump_json().encode()
        records.append(RawRecord(topic.name, 0, offset, key, value))
    sink.add(records)
    await sink.flush()
    sink.close()


@asynccontextmanager
async def _api(data: Path) -> AsyncIterator[str]:
    """Serve an API on the ledger, without any Kafka; gives its address."""
    app = create_app(
        bootstrap=f"127.0.0.1:{free_port()}",
        topics=TOPICS,
        data=DataDir(data),
        clock=ManualClock(NOON),
    )
    async with served(app) as url:
        yield url


def _refuses(guard: BudgetGuard, **asked: object) -> str | None:
    """Return which budget refuses a call."""
    try:
        guard.check(**asked)  # type: ignore[arg-type]
    except BudgetExceeded as refusal:
        return refusal.budget_id
    return None


async def test_a_guard_knows_what_the_ledger_says(tmp_path: Path) -> None:
    """Every sort of budget, plans, rolling periods; then the API is stopped."""
    rolling = a_status(
        budget_id="team",
        subject=ADA_IN_X,
        period="rolling_hour",
        period_start=NOON.replace(hour=10, minute=45),
        period_end=NOON.replace(hour=11, minute=45),
        tokens=500,
        limit_tokens=500,
    )
    team = {"user": "*", "tags": {"team": "x"}, "exceptions": ["eve"]}
    await _ledger(
        tmp_path,
        a_budget(budget_id="team", period="rolling_hour", limit_tokens=500, scope=team),
        a_budget(budget_id="plan", scope={"user": "*", "plan": "pro"}),
        a_plan("bob", "pro"),
        rolling,
        a_status(budget_id="plan", subject=Subject("user", "bob"), spent_usd="10"),
        a_status(budget_id="plan", subject=Subject("user", "eve"), spent_usd="10"),
    )
    clock = ManualClock(NOON)
    async with _api(tmp_path) as url:
        guard = BudgetGuard(url=url, poll_seconds=0.1, stale_after=1.0, clock=clock)
        assert await asyncio.to_thread(guard.wait, 30)
        assert (guard.stats().budgets, guard.stats().statuses) == (2, 3)
        assert _refuses(guard, user="bob") == "plan"
        assert _refuses(guard, user="eve") is None
        assert _refuses(guard, user="ada", tags={"team": "x"}) == "team"
        assert _refuses(guard, user="ada", tags={"team": "y"}) is None
    with guard:
        await asyncio.to_thread(
            eventually, lambda: guard.check(user="grace", tags={"team": "x"}).unknown
        )


async def test_a_guard_shows_its_token(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Without one the guard is told what it lacks; the environment's will do."""
    await _ledger(tmp_path, a_budget())
    text = TokenFile(DataDir(tmp_path).api_tokens).create("g", NOON, ("read",)).text
    async with _api(tmp_path) as url:
        with BudgetGuard(url=url, poll_seconds=0.1):
            await asyncio.to_thread(eventually, lambda: "HTTP Error 401" in caplog.text)
        monkeypatch.setenv("TAXIMETER_API_TOKEN", f"{text}\n")
        with BudgetGuard(url=url) as guard:
            assert await asyncio.to_thread(guard.wait, 30)
    assert text not in caplog.text


def test_a_token_that_can_be_none(caplog: pytest.LogCaptureFixture) -> None:
    """It is refused at once, and told to nobody."""
    with pytest.raises(ConfigurationError) as refused:
        BudgetGuard(url="http://127.0.0.1:9", token="a secret\nX: y")
    assert "secret" not in str(refused.value) + caplog.text


async def test_an_answer_that_cannot_be_read_is_no_knowledge(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An API of another kind: the guard says so, and goes on asking."""
    async with _api(tmp_path) as url:
        with BudgetGuard(url=f"{url}/docs", poll_seconds=0.1) as guard:
            await asyncio.to_thread(eventually, lambda: "asking again" in caplog.text)
            assert guard.check().reason == "unknown"
