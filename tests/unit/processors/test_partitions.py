"""Applied in order, flushed, then acknowledged; what is half applied is dropped."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from time import monotonic
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from aiokafka.errors import KafkaError

from taximeter_processors.agents.partitions import Partitions
from taximeter_processors.kafka import Fenced, LogRecord
from tests.waiting import eventually_async

if TYPE_CHECKING:
    import faust
    from faust.types import EventT

# What is tried again after an error waits for so long.
REOPEN_AFTER_SECONDS = 1.0


@dataclass
class Work:
    """One partition's work that notes what happens to it."""

    fails: bool = False
    fenced: bool = False
    next_offset: int = 5
    applied: list[int] = field(default_factory=list[int])
    flushed: list[int] = field(default_factory=list[int])
    closed: bool = False
    begun: bool = False
    rows: int = 0
    awaited: bool = False
    closing: bool = False
    kafka: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.kafka.set()

    @property
    def unflushed_events(self) -> int:
        """How many records were applied since the last flush."""
        return len(self.applied) - len(self.flushed)

    @property
    def has_moved(self) -> bool:
        """Tell whether there is anything to flush."""
        return bool(self.unflushed_events)

    @property
    def is_awaited(self) -> bool:
        """Tell whether a record was applied for which somebody waits."""
        return self.awaited and self.has_moved

    def pass_to(self, offset: int) -> None:
        """Nothing stands before this offset."""
        self.next_offset = max(self.next_offset, offset)

    def apply(self, record: LogRecord) -> None:
        """Apply a record; a bad one is half applied."""
        self.applied.append(record.offset)
        if record.value == b"bad":
            raise RuntimeError("half applied")
        self.next_offset = record.offset + 1

    async def flush(self) -> int:
        """Write what was applied by now, or fail on the way to Kafka."""
        applied, self.begun = list(self.applied), True
        await self.kafka.wait()
        if self.fails:
            raise KafkaError
        if self.fenced:
            raise Fenced
        self.flushed = applied
        return len(applied) + self.rows

    async def close(self) -> None:
        """Let go, when Kafka has answered."""
        self.closing = True
        await self.kafka.wait()
        self.closed = True


class Delivery:
    """What Faust delivers, and whether it was acknowledged."""

    def __init__(
        self, *offsets: int, value: bytes = b"good", partition: int = 0
    ) -> None:
        self.acknowledged = 0
        self.message = SimpleNamespace(
            partition=partition,
            offset=offsets[-1],
            records=[LogRecord(offset, 1_000, None, value, ()) for offset in offsets],
            incref=lambda: None,
        )

    def ack(self) -> None:
        """Acknowledge."""
        self.acknowledged += 1


class Consumer:
    """A consumer that has fetched nothing yet, or of which nobody knows."""

    def __init__(self) -> None:
        self.fails = False
        self.member = True
        self.cut_off = False
        self.asked = 0

    async def is_member(self) -> bool:
        """Tell whether the group counts us in."""
        self.asked += 1
        if self.cut_off:
            raise asyncio.CancelledError
        return self.member

    async def position(self, _: object) -> int | None:
        """Return where it stands: nowhere."""
        if self.fails:
            raise KafkaError
        return None


@dataclass
class Owned:
    """Partition 0 of an agent, owned and open; others open when `kafka` lets them."""

    partitions: Partitions
    works: list[Work]
    consumer: Consumer
    kafka: asyncio.Event

    async def takes(self, delivery: Delivery) -> None:
        """Hand a delivery over."""
        await self.partitions.take(cast("EventT[bytes]", delivery))

    async def opens(self, count: int) -> None:
        """Wait until so many have been opened."""

        async def opened() -> bool:
            await self.partitions.tick()
            return len(self.partitions.works()) == count

        await eventually_async(opened)


@pytest.fixture
async def owned() -> Owned:
    """Own and open partition 0."""
    works: list[Work] = []
    kafka, consumer = asyncio.Event(), Consumer()

    async def open_partition(_: int) -> Work:
        await kafka.wait()
        works.append(Work())
        return works[-1]

    app = cast("faust.App", SimpleNamespace(rebalancing=False, consumer=consumer))
    partitions = Partitions(app, "nowhere:1", "usage", open_partition, "agent", 0.0)
    owned = Owned(partitions, works, consumer, kafka)
    kafka.set()
    await partitions.own({0})
    await owned.opens(1)
    return owned


async def test_what_somebody_waits_for_is_flushed_at_once(owned: Owned) -> None:
    """Without a tick, and what comes during a flush with the next one."""
    hurrying = asyncio.create_task(owned.partitions.hurry())
    await owned.takes(Delivery(5))
    assert not hurrying.done()
    (work,) = owned.works
    work.awaited = True
    work.kafka.clear()
    await owned.takes(Delivery(6))

    async def begun() -> bool:
        return work.begun

    await eventually_async(begun)
    await owned.takes(Delivery(7))
    work.kafka.set()
    await hurrying
    assert work.flushed == [5, 6]
    await owned.partitions.hurry()
    assert work.flushed == [5, 6, 7]


async def test_a_record_is_acknowledged_behind_its_flush(owned: Owned) -> None:
    """Not when it is applied: a crash in between delivers it again."""
    delivery = Delivery(5)
    await owned.takes(delivery)
    assert (owned.works[0].applied, delivery.acknowledged) == ([5], 0)
    await owned.partitions.tick()
    assert (owned.works[0].flushed, delivery.acknowledged) == ([5], 1)


async def test_records_are_applied_while_a_flush_waits_for_kafka(owned: Owned) -> None:
    """They are neither written nor acknowledged with it, but with the next one."""
    first, second = Delivery(5), Delivery(6)
    await owned.takes(first)
    work = owned.works[0]
    work.kafka.clear()
    flush = asyncio.create_task(owned.partitions.tick())
    await eventually_async(lambda: _said(work.begun))
    await owned.takes(second)
    assert work.applied == [5, 6]
    work.kafka.set()
    await flush
    assert (work.flushed, first.acknowledged, second.acknowledged) == ([5], 1, 0)
    await owned.partitions.close()
    assert (work.flushed, second.acknowledged) == ([5, 6], 1)


async def test_a_partition_is_not_let_go_while_it_is_being_written(
    owned: Owned,
) -> None:
    """A rebalance waits for the flush under way: its end decides what is in."""
    await owned.takes(Delivery(5))
    work = owned.works[0]
    work.kafka.clear()
    flush = asyncio.create_task(owned.partitions.tick())
    await eventually_async(lambda: _said(work.begun))
    lost = asyncio.create_task(owned.partitions.own(set()))
    await asyncio.sleep(0)
    assert not work.closed
    work.kafka.set()
    await asyncio.gather(flush, lost)
    assert (work.flushed, work.closed) == ([5], True)


async def _said(word: bool) -> bool:
    return word


async def test_a_record_that_is_in_already_is_skipped(owned: Owned) -> None:
    """The offset decides, whatever is delivered again."""
    for offset in (5, 5, 3):
        await owned.takes(Delivery(offset))
    assert owned.works[0].applied == [5]


async def test_of_records_that_come_together_the_new_ones_are_applied(
    owned: Owned,
) -> None:
    """Acknowledged together too, and not at all if nothing in them was new."""
    first, again, more = Delivery(5, 6, 8), Delivery(5, 6, 8), Delivery(8, 9)
    for delivery in (first, again, more):
        await owned.takes(delivery)
    await owned.partitions.tick()
    assert owned.works[0].flushed == [5, 6, 8, 9]
    assert [each.acknowledged for each in (first, again, more)] == [1, 0, 1]


async def test_what_is_half_applied_is_never_flushed(owned: Owned) -> None:
    """An error in the middle of a record drops the partition, good records too."""
    await owned.takes(Delivery(5))
    with pytest.raises(RuntimeError, match="half applied"):
        await owned.takes(Delivery(6, value=b"bad"))
    await owned.partitions.tick()
    await owned.partitions.close()
    assert owned.works[0].closed
    assert owned.works[0].flushed == []


async def test_a_flush_that_failed_drops_the_partition(owned: Owned) -> None:
    """Nothing is acknowledged, and what was in memory is not written later."""
    delivery = Delivery(5)
    await owned.takes(delivery)
    owned.works[0].fails = True
    await owned.partitions.tick()
    owned.works[0].fails = False
    await owned.partitions.close()
    assert owned.works[0].closed
    assert owned.works[0].flushed == []
    assert delivery.acknowledged == 0


async def test_a_partition_that_is_not_ours_any_more_is_dropped(owned: Owned) -> None:
    """Its unflushed records are the next owner's."""
    await owned.takes(Delivery(5))
    await owned.partitions.own(set())
    await owned.partitions.close()
    assert owned.works[0].closed
    assert owned.works[0].flushed == []


async def test_partitions_that_are_lost_are_let_go_at_the_same_time(
    owned: Owned,
) -> None:
    """Each may have to wait for Kafka; a rebalance waits for the slowest."""
    await owned.partitions.own({0, 1})
    await owned.opens(2)
    for work in owned.works:
        work.kafka.clear()
    lost = asyncio.create_task(owned.partitions.own(set()))
    await eventually_async(lambda: _said(all(work.closing for work in owned.works)))
    for work in owned.works:
        work.kafka.set()
    await lost


async def test_a_rebalance_does_not_wait_for_what_is_being_opened(
    owned: Owned,
) -> None:
    """A worker late for a rebalance makes the next one: the opening ends instead."""
    owned.kafka.clear()
    await owned.partitions.own({0, 1})
    await owned.partitions.tick()
    async with asyncio.timeout(5):
        await owned.partitions.own({0})
    owned.kafka.set()
    await owned.opens(1)
    assert len(owned.works) == 1


async def test_an_opening_goes_on_when_its_partition_stays_ours(owned: Owned) -> None:
    """A rebalance that leaves us the partition does not make us begin again."""
    owned.kafka.clear()
    await owned.partitions.own({0, 1})
    await owned.partitions.tick()
    async with asyncio.timeout(5):
        await owned.partitions.own({0, 1, 2})
    owned.kafka.set()
    await owned.opens(3)
    assert len(owned.works) == 3


async def test_work_goes_on_while_another_partition_is_being_opened(
    owned: Owned,
) -> None:
    """What is open takes records and flushes them meanwhile."""
    owned.kafka.clear()
    await owned.partitions.own({0, 1})
    await owned.partitions.tick()
    delivery = Delivery(5)
    async with asyncio.timeout(5):
        await owned.takes(delivery)
    async with asyncio.timeout(5):
        await owned.partitions.tick()
    assert (owned.works[0].flushed, delivery.acknowledged) == ([5], 1)


async def test_records_wait_for_their_partition_that_is_being_opened(
    owned: Owned,
) -> None:
    """Else Faust would run ahead, and all of it had to be read a second time."""
    owned.kafka.clear()
    await owned.partitions.own(set())
    await owned.partitions.own({0})
    await owned.partitions.tick()
    taking = asyncio.create_task(owned.takes(Delivery(5)))
    await asyncio.sleep(0)
    assert not taking.done()
    owned.kafka.set()
    await taking
    assert owned.works[1].applied == [5]


async def test_what_could_not_be_caught_up_is_let_go(owned: Owned) -> None:
    """Its writer is closed, and the partition is opened anew a moment later."""
    owned.consumer.fails = True
    await owned.partitions.own({0, 1})
    await owned.partitions.tick()
    await eventually_async(lambda: _said(len(owned.works) == 2))
    await eventually_async(lambda: _said(owned.works[1].closed))
    await owned.partitions.own({0, 1})  # forgets no partition that failed just now
    owned.consumer.fails = False
    await owned.opens(2)
    assert not owned.works[2].closed


async def test_partitions_take_turns_while_there_is_much_to_write(owned: Owned) -> None:
    """Many rows are paid for by a pause; when nothing more comes, all is written."""
    await owned.partitions.own({0, 1, 2, 3})
    await owned.opens(4)
    for work in owned.works:
        work.rows = 1_000
    for partition in range(4):
        await owned.takes(Delivery(*range(5, 105), partition=partition))
    await owned.partitions.tick()
    assert [len(work.flushed) for work in owned.works].count(100) == 1

    async def all_written() -> bool:
        await owned.partitions.tick()
        return all(work.flushed for work in owned.works)

    await eventually_async(all_written)


async def test_partitions_are_written_at_once_where_there_is_little_to_write(
    owned: Owned,
) -> None:
    """A pause is for rows: a few of them keep nobody waiting."""
    await owned.partitions.own({0, 1, 2, 3})
    await owned.opens(4)
    for partition in range(4):
        await owned.takes(Delivery(5, partition=partition))
    await owned.partitions.tick()
    await owned.partitions.tick()
    assert all(work.flushed for work in owned.works)


async def test_only_a_member_of_the_group_opens_a_partition(owned: Owned) -> None:
    """Opening shuts out who writes there: not by one whom the group has given up."""
    owned.consumer.member = False
    await owned.partitions.own({0, 1})
    await owned.partitions.tick()
    await eventually_async(lambda: _said(owned.consumer.asked == 2))
    await owned.partitions.tick()
    assert len(owned.works) == 1
    owned.consumer.member = True
    await owned.opens(2)


async def test_whoever_is_fenced_and_still_the_owner_goes_on_at_once(
    owned: Owned,
) -> None:
    """Another one had the partition in between, and gave it back unopened."""
    await owned.takes(Delivery(5))
    owned.works[0].fenced = True
    await owned.partitions.tick()
    assert owned.works[0].closed
    began = monotonic()
    await owned.opens(1)
    assert len(owned.works) == 2
    assert monotonic() < began + REOPEN_AFTER_SECONDS


async def test_whoever_is_fenced_and_not_a_member_any_more_waits(owned: Owned) -> None:
    """It shuts its successor out in no case, however long it takes to be told."""
    owned.consumer.member = False
    await owned.takes(Delivery(5))
    owned.works[0].fenced = True

    async def asked_again() -> bool:
        await owned.partitions.tick()
        return owned.consumer.asked >= 3

    await eventually_async(asked_again, 20)
    assert len(owned.works) == 1


async def test_an_opening_that_somebody_else_cancelled_is_begun_anew(
    owned: Owned,
) -> None:
    """A connection that is closed cancels who waits on it, and not the worker."""
    owned.consumer.cut_off = True
    await owned.partitions.own({0, 1})
    await owned.partitions.tick()
    await eventually_async(lambda: _said(owned.consumer.asked == 2))
    owned.consumer.cut_off = False
    await owned.opens(2)


async def test_a_few_events_do_not_wait_for_what_many_rows_cost(owned: Owned) -> None:
    """Behind a great rush, whoever sends little is in the ledger at once."""
    await owned.partitions.own({0, 1})
    await owned.opens(2)
    owned.works[0].rows = 1_000
    await owned.takes(Delivery(*range(5, 105), partition=0))
    await owned.partitions.tick()
    await owned.takes(Delivery(5, partition=1))
    await owned.partitions.tick()
    assert owned.works[1].flushed == [5]
