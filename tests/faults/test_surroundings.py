"""What goes wrong around a worker: its clock, its broker."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from taximeter_producers.kafka import KafkaEmitter
from tests.faults.books import assert_books
from tests.faults.installations import Installation, an_installation
from tests.faults.own_broker import own_broker
from tests.faults.stream import LONG, NOW, a_stream, flow

pytestmark = pytest.mark.broker

AWAY_SECONDS = 60.0 if LONG else 10.0


@pytest.mark.long
async def test_a_clock_that_jumps_moves_nothing_but_the_time_of_alerts(
    place: Installation, tmp_path: Path
) -> None:
    """An hour ahead, an hour back: every event is charged once, in its own window."""
    stream, clock = a_stream(2_000), tmp_path / "clock"
    clock.write_text("0")
    await place.side.define(*stream.budgets)
    worker = place.workers.start(CLOCK_HOURS=str(clock)).ready()
    for hours, part in zip(("1", "-1", "0"), stream.parts(3), strict=True):
        clock.write_text(hours)
        await flow(place.side, part, 1.5)
    await assert_books(place, stream)
    raised = [alert.raised_at - NOW for alert in await place.side.alerts()]
    assert max(raised) > timedelta(minutes=50)
    assert min(raised) < timedelta(minutes=-50)
    assert worker.runs


@pytest.mark.long
async def test_a_broker_out_of_reach_is_waited_for(tmp_path: Path) -> None:
    """Silent for long, then killed and back, while events keep coming: none is lost."""
    stream = a_stream(2_000)
    async with (
        own_broker(tmp_path / "kafka") as broker,
        an_installation(broker.bootstrap, tmp_path) as place,
    ):
        await place.side.define(*stream.budgets)
        place.workers.start().ready()
        emitter = KafkaEmitter(broker.bootstrap, place.side.topics, max_pending=10**6)
        first, silent, dead, last = stream.parts(4)
        with emitter:
            for part in (first, silent):
                assert all(map(emitter.emit, part))
                await broker.out_of_reach(AWAY_SECONDS if part is silent else 0.0)
            broker.kill()
            assert all(map(emitter.emit, dead))
            await asyncio.sleep(AWAY_SECONDS / 4)
            await broker.start()
            assert all(map(emitter.emit, last))
            assert await asyncio.to_thread(emitter.flush, 120)
            assert emitter.stats().lost == 0
        await assert_books(place, stream)
