"""What goes wrong around a worker: its clock, its broker."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from taximeter_producers.kafka import KafkaEmitter
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.usage import UsageRecorded
from tests.faults.books import assert_books
from tests.faults.installations import Installation, an_installation
from tests.faults.own_broker import own_broker
from tests.faults.stream import LONG, a_stream, flow
from tests.integration.processors.broker_side import BrokerSide
from tests.waiting import eventually_async

pytestmark = pytest.mark.broker

AWAY_SECONDS = 60.0 if LONG else 10.0
SLICES = 50
HOUR = timedelta(hours=1)


@pytest.mark.long
async def test_a_clock_that_jumps_moves_nothing_but_the_time_of_alerts(
    place: Installation, tmp_path: Path
) -> None:
    """An hour ahead, an hour back: every event is charged once, in its own window."""
    stream, clock = a_stream(2_000), tmp_path / "clock"
    clock.write_text("0")
    await place.side.define(*stream.budgets)
    worker = place.workers.start(CLOCK_HOURS=str(clock)).ready()
    for hours, part in zip((1, -1, 0), stream.parts(3), strict=True):
        clock.write_text(str(hours))
        await flow(place.side, part, 1.5)
        await eventually_async(lambda hours=hours: raised_at(place.side, hours), 60)  # type: ignore[misc]
    await assert_books(place, stream)
    assert worker.runs


async def raised_at(side: BrokerSide, hours: int) -> bool:
    """Tell whether an alert states a time that is so many hours from now."""
    now = SystemClock().now()
    off = {round((each.raised_at - now) / HOUR) for each in await side.alerts()}
    return hours in off


async def emitted(
    emitter: KafkaEmitter, calls: list[UsageRecorded], seconds: float
) -> None:
    """Emit steadily, whoever listens, for so long."""
    each = max(1, len(calls) // SLICES)
    for start in range(0, len(calls), each):
        assert all(map(emitter.emit, calls[start : start + each]))
        await asyncio.sleep(seconds / SLICES)


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
            assert all(map(emitter.emit, first))
            silence = asyncio.create_task(broker.out_of_reach(AWAY_SECONDS))
            await emitted(emitter, silent, AWAY_SECONDS)
            await silence
            broker.kill()
            assert all(map(emitter.emit, dead))
            await asyncio.sleep(AWAY_SECONDS / 4)
            await broker.start()
            assert all(map(emitter.emit, last))
            assert await asyncio.to_thread(emitter.flush, 120)
            assert emitter.stats().lost == 0
        await assert_books(place, stream)


@pytest.mark.long
async def test_a_worker_ends_when_it_is_told_to_whether_kafka_answers_or_not(
    tmp_path: Path,
) -> None:
    """Nobody starts a worker again that hangs on its way out."""
    async with (
        own_broker(tmp_path / "kafka") as broker,
        an_installation(broker.bootstrap, tmp_path) as place,
    ):
        worker = place.workers.start().ready()
        broker.freeze()
        assert await asyncio.to_thread(worker.stop) == 0
