"""Every worker knows the budgets in force, and hears of each change."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from taximeter_processors.budget_feed import BudgetFeed
from taximeter_schemas.budgets import BudgetDefined, BudgetEvent, BudgetRemoved
from tests.builders import NOON
from tests.integration.processors.broker_side import BrokerSide
from tests.waiting import eventually_async

pytestmark = pytest.mark.broker


def a_budget(budget_id: str, limit_usd: str = "1") -> BudgetDefined:
    """Return a budget over everything."""
    fields = {"period": "total", "limit_usd": limit_usd, "defined_at": NOON}
    return BudgetDefined.model_validate({"budget_id": budget_id, **fields})


def removed(budget_id: str) -> BudgetRemoved:
    """Return a budget's removal."""
    return BudgetRemoved(
        event_type="BudgetRemoved", budget_id=budget_id, removed_at=NOON
    )


async def test_the_feed_knows_what_is_in_force(side: BrokerSide) -> None:
    """Redefined, removed and unreadable records leave the latest definitions."""
    heard: list[BudgetEvent] = []
    await side.define(a_budget("kept"), a_budget("gone"), removed("gone"))
    async with side.producer() as producer:
        topic = side.topics.budgets.name
        await producer.send_and_wait(topic, b"{not a budget", key=b"kept")
        await producer.send_and_wait(topic, None, key=b"gone")
    await side.define(a_budget("kept", "2"))
    feed = BudgetFeed(side.bootstrap, side.topics, heard.append)
    running = asyncio.create_task(feed.run())
    async with asyncio.timeout(20):
        await feed.caught_up()
    assert feed.in_force() == [a_budget("kept", "2")]
    await side.define(a_budget("new"))

    async def told() -> bool:
        return heard[-1:] == [a_budget("new")]

    await eventually_async(told, 20)
    assert feed.in_force() == [a_budget("kept", "2"), a_budget("new")]
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
