"""The changelogs that a take-over reads: delivered again, and compacted by Kafka."""

from __future__ import annotations

import pytest

from taximeter_processors.kafka import read_log
from taximeter_schemas.topics import Topic
from tests.faults.books import assert_books, charged
from tests.faults.installations import Installation
from tests.faults.stream import a_stream, flow
from tests.integration.processors.broker_side import BrokerSide
from tests.waiting import eventually_async

pytestmark = pytest.mark.broker

ROWS, TIMES = 500, 100
ROW_BYTES = 1_000
COMPACTED_SECONDS = 180.0


async def send_again(side: BrokerSide, topic: Topic) -> None:
    """Append what a changelog holds to itself, as a copy that begins anew would."""
    async with side.producer() as producer:
        for record in await side.read(topic):
            await producer.send(
                topic.name,
                record.value or None,
                key=record.key,
                partition=record.partition,
            )


async def test_a_changelog_that_comes_again_changes_nothing(
    place: Installation,
) -> None:
    """Rows, progress and latches read back twice are the same sums and alerts."""
    side, stream = place.side, a_stream(2_000)
    await side.define(*stream.budgets)
    early, late = stream.parts(2)
    worker = place.workers.start().ready()
    await flow(side, early, 1.5)
    await charged(side, len({call.event_id for call in early}))
    assert worker.stop() == 0
    for topic in (side.topics.spend_table, side.topics.budget_table):
        await send_again(side, topic)
    worker = place.workers.start().ready()
    await flow(side, late, 1.5)
    await assert_books(place, stream)
    assert worker.runs


async def wear(side: BrokerSide, topic: Topic) -> None:
    """Write the same rows again and again, each time with other sums."""
    async with side.producer() as producer:
        for time in range(TIMES):
            for row in range(ROWS):
                value = f"{time}:{row}:".ljust(ROW_BYTES, "x").encode()
                await producer.send(topic.name, value, b"row-%d" % row, partition=0)


async def rows_read(side: BrokerSide, topic: Topic) -> tuple[int, int]:
    """Return how many rows a take-over reads back, and how many different ones."""
    read = [
        record.key
        async for records in read_log(side.bootstrap, topic.name, 0)
        for record in records
    ]
    return len(read), len(set(read))


@pytest.mark.long
@pytest.mark.parametrize("table", ["spend_table", "budget_table", "budget_status"])
async def test_a_take_over_reads_what_there_is_not_what_there_was(
    place: Installation, table: str
) -> None:
    """Kafka compacts it soon: what is read is bounded by the rows, not by history."""
    side, topic = place.side, getattr(place.side.topics, table)
    await wear(side, topic)

    async def compacted() -> bool:
        read, different = await rows_read(side, topic)
        assert different == ROWS
        assert read < ROWS * TIMES // 2, read
        return True

    await eventually_async(compacted, COMPACTED_SECONDS)
