"""Workers that are killed or frozen: every event is charged once all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random

import pytest

from taximeter_schemas.usage import UsageRecorded
from tests.faults.books import assert_books, charged
from tests.faults.installations import Installation
from tests.faults.stream import SEED, a_stream, flow
from tests.integration.processors.workers import WorkerProcess
from tests.waiting import eventually_async

pytestmark = pytest.mark.broker


@pytest.mark.long
async def test_killed_workers_lose_and_double_nothing(place: Installation) -> None:
    """Three kills at any moment: every event charged once, every alert raised once."""
    random, stream = Random(SEED), a_stream(5_500)
    await place.side.define(*stream.budgets)
    worker = place.workers.start().ready()
    for part in stream.parts(3):
        sending = asyncio.create_task(flow(place.side, part, 2.0))
        await _killed_at_work(worker, random)
        worker = place.workers.start()
        await sending
    await assert_books(place, stream)
    assert worker.runs


async def _killed_at_work(worker: WorkerProcess, random: Random) -> None:
    async def flushed() -> bool:
        return any(fact.get("events") for fact in worker.facts())

    await eventually_async(flushed, 40)
    # Not right behind a flush: somewhere between two, or in the middle of one.
    await asyncio.sleep(random.random() * 0.5)
    worker.kill()


async def test_a_frozen_worker_that_wakes_up_writes_over_nobody(
    place: Installation,
) -> None:
    """Stopped past its session and let go on, a worker finds its partitions taken."""
    stream = a_stream(5_000)
    await place.side.define(*stream.budgets)
    early, late = stream.parts(2)
    one = place.workers.start().ready()
    other = place.workers.start().ready()
    sending = asyncio.create_task(flow(place.side, early, 2.5))
    await charged(place.side, 500)
    one.freeze()
    await sending
    # Only with the frozen one's session over can the other one take it all.
    await charged(place.side, _different(early))
    sending = asyncio.create_task(flow(place.side, late, 2.5))
    one.thaw()
    await sending
    await assert_books(place, stream)
    assert other.runs
    assert one.stop() == other.stop() == 0


def _different(calls: Sequence[UsageRecorded]) -> int:
    return len({call.event_id for call in calls})
