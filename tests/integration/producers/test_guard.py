"""A guard knows what the topics say, and how old that is, whatever Kafka does."""

from __future__ import annotations

import asyncio
import os
from decimal import Decimal
from pathlib import Path

import pytest

from taximeter.broker.admin import ensure_topics
from taximeter.broker.ports import free_port
from taximeter.broker.topic_io import publish
from taximeter_producers.guard.budget_guard import BudgetGuard
from taximeter_schemas.budgets import (
    BudgetEvent,
    BudgetRemoved,
    BudgetStatus,
    budget_key,
)
from taximeter_schemas.clock import ManualClock
from taximeter_schemas.errors import BudgetExceeded, BudgetUnknown
from taximeter_schemas.subjects import Subject
from taximeter_schemas.topics import Topics
from tests.builders import NOON
from tests.faults.own_broker import own_broker
from tests.guarding import a_budget, a_guard, a_status, status_key
from tests.waiting import eventually, eventually_async

pytestmark = pytest.mark.broker


async def say(
    bootstrap: str, topics: Topics, *events: BudgetEvent | BudgetStatus
) -> None:
    """Write to the topics what a person and a worker would."""
    budgets = [
        (budget_key(event), event.model_dump_json().encode())
        for event in events
        if not isinstance(event, BudgetStatus)
    ]
    await publish(bootstrap, topics.budgets, budgets)
    for n, event in enumerate(e for e in events if isinstance(e, BudgetStatus)):
        value = event.model_dump_json().encode()
        record = [(status_key(event), value)]
        await publish(bootstrap, topics.budget_status, record, n % topics.partitions)


def at_noon(bootstrap: str, topics: Topics, stale_after: float = 30.0) -> BudgetGuard:
    """Return a guard for which it is noon."""
    clock = ManualClock(NOON)
    return BudgetGuard(bootstrap, topics, stale_after=stale_after, clock=clock)


def refuses(guard: BudgetGuard, user: str) -> bool:
    """Tell whether a budget of this user is exceeded."""
    try:
        guard.check(user=user)
    except BudgetExceeded:
        return True
    return False


async def test_a_guard_knows_what_was_said_and_hears_what_is(
    bootstrap: str, topics: Topics
) -> None:
    """Budgets and statuses of every partition, those before it and those after."""
    users = [f"user-{n}" for n in range(8)]
    before = [
        a_status(subject=Subject("user", user), spent_usd=n)
        for n, user in enumerate(users)
    ]
    budget = a_budget(scope={"user": "*"}, limit_usd="4")
    await say(bootstrap, topics, budget, *before)

    with at_noon(bootstrap, topics) as guard:
        assert await asyncio.to_thread(guard.wait, 30)
        assert [refuses(guard, user) for user in users] == [False] * 4 + [True] * 4
        assert (guard.stats().budgets, guard.stats().statuses) == (1, 8)

        spent = a_status(subject=Subject("user", "user-0"), spent_usd="4")
        await say(bootstrap, topics, spent)
        await asyncio.to_thread(eventually, lambda: refuses(guard, "user-0"))
        gone = BudgetRemoved(event_type="BudgetRemoved", budget_id="b", removed_at=NOON)
        await say(bootstrap, topics, gone)
        await asyncio.to_thread(eventually, lambda: not refuses(guard, "user-7"))


async def test_what_cannot_be_read_hides_nothing_else(
    bootstrap: str, topics: Topics
) -> None:
    """A record that is no budget, or no status, is passed over."""
    await publish(bootstrap, topics.budgets, [(b"x", b"no budget")])
    await publish(bootstrap, topics.budget_status, [(b"x", b"no status")])
    status = a_status(spent_usd="10")
    await say(bootstrap, topics, a_budget(), status)

    with at_noon(bootstrap, topics) as guard:
        assert await asyncio.to_thread(guard.wait, 30)
        with pytest.raises(BudgetExceeded) as caught:
            guard.check()
    assert caught.value.spent == Decimal(10)


async def test_a_broker_that_is_away_makes_knowledge_old(tmp_path: Path) -> None:
    """Each budget then does what it chose, and all is well when the broker is back."""
    topics = Topics(prefix="guard.")
    open_ = a_budget(budget_id="open", scope={"user": "ada"})
    closed = a_budget(
        budget_id="closed", scope={"user": "bob"}, when_unknown="fail_closed"
    )
    async with own_broker(tmp_path) as broker:
        await ensure_topics(broker.bootstrap, topics)
        await say(broker.bootstrap, topics, open_, closed)
        with at_noon(broker.bootstrap, topics, stale_after=2.0) as guard:
            assert await asyncio.to_thread(guard.wait, 60)
            assert guard.check(user="ada").reason == "within"
            assert guard.check(user="bob").reason == "within"

            broker.kill()
            await asyncio.to_thread(
                eventually, lambda: guard.check(user="ada").reason == "unknown", 60
            )
            with pytest.raises(BudgetUnknown, match="closed"):
                guard.check(user="bob")

            await broker.start()
            spent = a_status(
                budget_id="open", subject=Subject("user", "ada"), spent_usd="10"
            )
            await say(broker.bootstrap, topics, spent)
            await asyncio.to_thread(eventually, lambda: refuses(guard, "ada"), 120)

            async def known() -> bool:
                age = guard.stats().age_seconds
                return age is not None and age < 2.0

            await eventually_async(known, 60)
            assert guard.check(user="bob").reason == "within"


def test_a_guard_without_a_broker_starts_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It lets calls pass, or not, as it was told, and says why."""
    address = f"127.0.0.1:{free_port()}"
    with (
        BudgetGuard(address) as opened,
        BudgetGuard(address, when_unknown="fail_closed") as closed,
    ):
        assert opened.check().reason == "unknown"
        with pytest.raises(BudgetUnknown):
            closed.check()
        eventually(lambda: address in caplog.text)
        assert not opened.wait(0.1)


async def test_a_forked_child_has_a_guard_of_its_own(
    bootstrap: str, topics: Topics
) -> None:
    """None of the parent's threads is there: it reads the topics anew."""
    await say(bootstrap, topics, a_budget(limit_usd="0"))
    with at_noon(bootstrap, topics) as guard:
        assert await asyncio.to_thread(guard.wait, 30)
        child = os.fork()
        if child == 0:
            known = guard.wait(30)
            os._exit(0 if known and refuses(guard, "ada") else 1)
        _, code = await asyncio.to_thread(os.waitpid, child, 0)
    assert code == 0


def test_a_guard_of_a_test_needs_no_thread() -> None:
    """The fake feed of the other tests says what this one's topics say."""
    guard, _ = a_guard([a_budget(limit_usd="0")])
    assert refuses(guard, "ada")
