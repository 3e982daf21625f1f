"""Workers that are killed or frozen: every event is charged once all the same."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from random import Random

import pytest

from taximeter_schemas.budgets import BudgetDefined, Scope
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.usage import Usage, UsageRecorded
from tests.builders import a_usage, an_id
from tests.integration.processors.broker_side import BrokerSide, event_id
from tests.integration.processors.workers import WorkerProcess, Workers
from tests.waiting import eventually_async

pytestmark = pytest.mark.broker

NOW = SystemClock().now()
USERS = 20
# What claude-sonnet-4-5 costs.
INPUT_USD, OUTPUT_USD = Decimal("0.000003"), Decimal("0.000015")


def some_calls(random: Random, count: int) -> list[UsageRecorded]:
    """Return calls of many users, no two of the same size."""
    return [
        a_usage(
            event_id=an_id("fault", random.random()),
            occurred_at=NOW,
            user_id=f"user-{random.randrange(USERS)}",
            usage=Usage(
                text_input_tokens=random.randrange(2000),
                text_output_tokens=random.randrange(500),
            ),
        )
        for _ in range(count)
    ]


def cost_of(call: UsageRecorded) -> Decimal:
    """Recompute what a call costs."""
    usage = call.usage
    return INPUT_USD * usage.text_input_tokens + OUTPUT_USD * usage.text_output_tokens


def with_duplicates(random: Random, calls: list[UsageRecorded]) -> list[UsageRecorded]:
    """Return the calls, 3 % of them a second time, somewhere later."""
    again = random.sample(calls, len(calls) * 3 // 100)
    sent = list(calls)
    for call in again:
        sent.insert(random.randint(sent.index(call) + 1, len(sent)), call)
    return sent


async def define_budgets(side: BrokerSide) -> None:
    """Define budgets that are crossed on the way."""
    before = NOW - timedelta(days=1)
    await side.define(
        BudgetDefined(
            budget_id="all", period="total", limit_usd=Decimal(20), defined_at=before
        ),
        BudgetDefined(
            budget_id="each",
            scope=Scope(user="*"),
            period="total",
            limit_usd=Decimal(1),
            defined_at=before,
        ),
    )


async def emit_slowly(side: BrokerSide, sent: list[UsageRecorded]) -> None:
    """Send everything over some seconds, so that there is always something to do."""
    for start in range(0, len(sent), 200):
        await side.emit(sent[start : start + 200])
        await asyncio.sleep(0.2)


async def charged(side: BrokerSide, count: int, timeout: float = 60.0) -> None:
    """Wait until there are this many charges, or too many."""

    async def there() -> bool:
        found = len(await side.charges())
        assert found >= count, f"{found} of {count}"
        return True

    await eventually_async(there, timeout)


async def assert_exact(side: BrokerSide, calls: list[UsageRecorded]) -> None:
    """Charges, spend, statuses and alerts are what the calls say, once each."""
    await charged(side, len(calls))
    expected = {call.event_id: cost_of(call) for call in calls}
    charges = await side.charges()
    assert {event_id(charge): charge.cost_usd for charge in charges} == expected
    assert len(charges) == len(calls)

    total = sum(expected.values(), Decimal(0))
    assert (await side.spend())["all", ""] == (total, len(calls))
    by_user: dict[str, Decimal] = {}
    for call in calls:
        by_user[call.user_id] = by_user.get(call.user_id, Decimal(0)) + cost_of(call)

    async def known() -> bool:
        spent = {k: s.spent_usd for k, s in (await side.statuses()).items()}
        users = {f"each|user|{user}|total": usd for user, usd in by_user.items()}
        assert spent == {"all|all||total": total, **users}
        return True

    await eventually_async(known, 20)
    crossed = [
        ("all", "", percent)
        for percent in (50, 80, 90, 100)
        if total * 100 >= percent * 20
    ] + [
        ("each", user, percent)
        for user, usd in by_user.items()
        for percent in (50, 80, 90, 100)
        if usd * 100 >= percent
    ]
    alerts = await side.alerts()
    raised = [(a.budget_id, a.subject_id, a.threshold_percent) for a in alerts]
    assert sorted(raised) == sorted(crossed)
    assert crossed
    assert len({alert.alert_id for alert in alerts}) == len(alerts)


async def test_killed_workers_lose_and_double_nothing(
    side: BrokerSide, workers: Workers
) -> None:
    """Three kills at any moment: every event charged once, every alert raised once."""
    random = Random(20261122)
    calls = some_calls(random, 5_500)
    await define_budgets(side)
    sent = with_duplicates(random, calls)
    worker = workers.start().ready()
    for start in range(0, len(sent), 2_000):
        emitting = asyncio.create_task(emit_slowly(side, sent[start : start + 2_000]))
        await _killed_at_work(worker, random)
        worker = workers.start()
        await emitting
    await assert_exact(side, calls)
    assert worker.process.poll() is None


async def _killed_at_work(worker: WorkerProcess, random: Random) -> None:
    async def flushed() -> bool:
        return any(fact.get("events") for fact in worker.facts())

    await eventually_async(flushed, 40)
    # Not right behind a flush: somewhere between two, or in the middle of one.
    await asyncio.sleep(random.random() * 0.5)
    worker.kill()


async def test_a_frozen_worker_that_wakes_up_writes_over_nobody(
    side: BrokerSide, workers: Workers
) -> None:
    """Stopped past its session and let go on, a worker finds its partitions taken."""
    random = Random(7)
    calls = some_calls(random, 5_000)
    await define_budgets(side)
    one = workers.start().ready()
    other = workers.start().ready()
    half = len(calls) // 2
    early = asyncio.create_task(emit_slowly(side, calls[:half]))
    await charged(side, 500)
    one.freeze()
    await early
    # Only with the frozen one's session over can the other one take it all.
    await charged(side, half)
    late = asyncio.create_task(emit_slowly(side, with_duplicates(random, calls[half:])))
    one.thaw()
    await late
    await assert_exact(side, calls)
    assert other.process.poll() is None
    assert one.stop() == other.stop() == 0
