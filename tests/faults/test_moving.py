"""Partitions that move: to a successor in time, and back and forth in the middle."""

from __future__ import annotations

import asyncio
from time import monotonic

import pytest

from tests.builders import a_usage
from tests.faults.books import assert_books
from tests.faults.installations import Installation
from tests.faults.stream import LONG, NOW, a_stream, flow
from tests.integration.processors.broker_side import BrokerSide, event_id
from tests.waiting import eventually_async

pytestmark = pytest.mark.broker

FAIL_OVER_SECONDS = 15.0
MOVING_SECONDS = 60.0 if LONG else 8.0


async def flows_in(side: BrokerSide, partitions: set[int]) -> float:
    """Return how long it takes until new events are charged in all of these."""
    began = monotonic()
    sent: set[object] = set()

    async def charged() -> set[int]:
        calls = [a_usage(occurred_at=NOW) for _ in range(20)]
        sent.update(call.event_id for call in calls)
        await side.emit(calls)
        new = [c for c in await side.charges() if event_id(c) in sent]
        return {charge.source_partition for charge in new}

    async def everywhere() -> bool:
        assert await charged() >= partitions
        return True

    await eventually_async(everywhere, 60)
    return monotonic() - began


async def test_a_killed_workers_events_flow_again_within_15_seconds(
    place: Installation,
) -> None:
    """`kill -9` of one of two workers: every partition is priced again in time."""
    one, _ = [place.workers.start() for _ in range(2)]
    everything = set(range(place.side.topics.partitions))
    await flows_in(place.side, everything)
    one.kill()
    took = await flows_in(place.side, everything)
    assert took <= FAIL_OVER_SECONDS


@pytest.mark.long
async def test_partitions_that_move_back_and_forth_lose_and_double_nothing(
    place: Installation,
) -> None:
    """Workers join, leave and die in the middle of flushes: each event counts once."""
    stream = a_stream(6_000)
    await place.side.define(*stream.budgets)
    sending = asyncio.create_task(flow(place.side, stream.sent, MOVING_SECONDS))
    one = place.workers.start().ready()
    two = place.workers.start()
    await asyncio.to_thread(two.ready)
    three = place.workers.start()
    await asyncio.to_thread(three.ready)
    assert await asyncio.to_thread(two.stop) == 0
    four = place.workers.start()
    await asyncio.to_thread(four.ready)
    three.kill()
    assert await asyncio.to_thread(one.stop) == 0
    five = place.workers.start()
    await asyncio.to_thread(five.ready)
    assert await asyncio.to_thread(four.stop) == 0
    await sending
    await assert_books(place, stream)
    assert five.runs
