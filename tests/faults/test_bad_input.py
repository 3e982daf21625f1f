"""Poison in the stream, and records that come again: the books stay as they are."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import cycle, islice
from random import Random

import pytest

from taximeter_schemas.records import (
    PACKED_HEADER,
    encode_event,
    packed,
    usage_partition,
)
from taximeter_schemas.topics import Topic
from taximeter_schemas.usage import UsageRecorded
from tests.faults.books import assert_books, assert_ledger, charged
from tests.faults.installations import Installation
from tests.faults.poison import POISON, changed
from tests.faults.stream import SEED, a_stream, flow
from tests.integration.processors.broker_side import BrokerSide
from tests.waiting import eventually_async

pytestmark = pytest.mark.broker

POISON_PERCENT = 5
# The largest ones: some of them are as good as a thousand, and quicker.
LARGE = 10


async def poisoned(side: BrokerSide, count: int) -> int:
    """Send so many bad records, some as if from our own emitter; return how many."""
    random = Random(SEED)
    headers = [(PACKED_HEADER, str(side.topics.partitions).encode())]
    sent = 0
    async with side.producer(
        compression_type="gzip", max_request_size=4_000_000
    ) as producer:
        for number, (name, make) in enumerate(islice(cycle(POISON.items()), count)):
            if name == "2 MB" and number > LARGE * len(POISON):
                continue
            partition = random.randrange(side.topics.partitions)
            claimed = random.choice((headers, None))
            await producer.send(
                side.topics.usage.name,
                make(),
                key=b"bad",
                partition=partition,
                headers=claimed,
            )
            await asyncio.sleep(0.02)
            sent += 1
    return sent


async def beside_poison(side: BrokerSide, calls: Iterable[UsageRecorded]) -> int:
    """Send good events in one array with a bad one each; return how many."""
    sent = 0
    for call in calls:
        own = usage_partition(call.event_id, side.topics.partitions)
        await side.put(packed([encode_event(call), changed(x=1)]), partition=own)
        sent += 1
    return sent


async def test_poison_is_kept_and_everything_else_counts(place: Installation) -> None:
    """With bad input at 5 %: good events once, each bad one a dead letter."""
    side, stream = place.side, a_stream(2_000)
    await side.define(*stream.budgets)
    worker = place.workers.start().ready()
    bad, _, beside = await asyncio.gather(
        poisoned(side, len(stream.calls) * POISON_PERCENT // 100),
        flow(side, stream.sent, 3.0),
        beside_poison(side, stream.calls[:10]),
    )

    async def kept() -> bool:
        assert len(await side.dead_letters()) >= bad + beside
        return True

    await eventually_async(kept, 60)
    result = await assert_books(place, stream)
    letters = await side.dead_letters()
    assert len({letter.key for letter in letters}) == len(letters) == bad + beside
    assert result.total("dead_letters") == bad + beside
    assert worker.runs


async def send_again(side: BrokerSide, topic: Topic) -> None:
    """Put what stands in a topic behind it once more, in any order."""
    records = await side.read(topic)
    Random(SEED).shuffle(records)
    async with side.producer(max_request_size=16 * 1024 * 1024) as producer:
        for record in records:
            await producer.send(
                topic.name, record.value, key=record.key, partition=record.partition
            )


async def test_records_that_come_again_change_nothing(place: Installation) -> None:
    """Charges, alerts and partial sums, twice and out of order: the same books."""
    side, stream = place.side, a_stream(2_000)
    await side.define(*stream.budgets)
    worker = place.workers.start().ready()
    early, late = stream.parts(2)
    await flow(side, early, 1.5)
    await charged(side, len({call.event_id for call in early}))
    again = side.topics.charges, side.topics.budget_alerts, side.topics.spend
    sending = asyncio.create_task(flow(side, late, 1.5))
    for topic in again:
        await send_again(side, topic)
    await sending
    await charged(side, len(stream.calls), apart=True)
    raised = {alert.alert_id for alert in await side.alerts()}
    for topic in again:
        await send_again(side, topic)
    await assert_ledger(place, stream)
    assert {alert.alert_id for alert in await side.alerts()} == raised
    assert worker.runs
