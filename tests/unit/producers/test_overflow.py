"""When events leave memory for the disk, and which of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pytest

from taximeter_producers.buffer import Buffer
from taximeter_producers.overflow import Overflow, from_disk
from taximeter_producers.packing import Delivery, EncodedEvent, Packer, Record
from taximeter_producers.spool.intake import Write
from taximeter_producers.spool.spool import Spool
from taximeter_schemas.records import encode_event
from taximeter_schemas.usage import UsageEvent
from tests.builders import a_usage

PATIENCE = 1.0


class Disk:
    """A spool with room for so many events; remembers them in `stored`."""

    def __init__(self, room: int = 1_000) -> None:
        self.stored: list[bytes] = []
        self.room = room

    def put(self, encoded: Sequence[bytes]) -> Write:
        """Store what there is room for."""
        assert len(encoded) <= 500  # more at once is too much for SQLite
        write = Write(encoded)
        write.fits = min(len(encoded), self.room - len(self.stored))
        write.settle(None)
        self.stored += encoded[: write.stored]
        return write


class Memory:
    """A buffer and what moves out of it."""

    def __init__(self, room: int = 1_000, limit: int = 100) -> None:
        self.disk = Disk(room)
        self.buffer = Buffer(limit, lambda: None)
        self.overflow = Overflow(self.buffer, cast("Spool", self.disk), PATIENCE)

    def put(self, count: int) -> list[UsageEvent]:
        """Accept some events."""
        events: list[UsageEvent] = [a_usage() for _ in range(count)]
        assert all(self.buffer.put(event) is None for event in events)
        return events

    def record(self, count: int, *waiting: Delivery) -> Record:
        """Return a record of events that were accepted, and that these wait for."""
        self.put(count)
        packer = Packer(1, 100, 100_000)
        for event in self.buffer.take(count):
            assert not isinstance(event, Delivery)
            packer.add([EncodedEvent.of(event)])
        (record,) = packer.all()
        for delivery in waiting:
            record.hold(delivery)
        return record


@pytest.fixture
def memory() -> Memory:
    """Give a buffer for 100 events, and a disk for ten times as many."""
    return Memory()


def test_what_moves_within_a_moment_stays_in_memory(memory: Memory) -> None:
    """As long as events are taken and acknowledged, nothing goes to disk."""
    for second in range(10):
        memory.put(1)
        answer = memory.overflow.due(True, answers=second, now=float(second))
        assert answer == (False, False)
        memory.buffer.take(1)
        memory.buffer.settle(delivered=1)


def test_what_nobody_takes_has_to_move(memory: Memory) -> None:
    """Events that wait in the buffer for longer than a moment go, and only those."""
    memory.put(1)
    assert memory.overflow.due(True, answers=1, now=10.0) == (False, False)
    assert memory.overflow.due(True, answers=2, now=10.9) == (False, False)
    assert memory.overflow.due(True, answers=3, now=11.1) == (False, True)


def test_what_kafka_does_not_acknowledge_has_to_move(memory: Memory) -> None:
    """With no answer for longer than a moment, what is under way goes as well."""
    assert memory.overflow.due(True, answers=7, now=10.0) == (False, False)
    assert memory.overflow.due(True, answers=7, now=11.1) == (True, True)


def test_a_crowd_has_to_move_at_once(memory: Memory) -> None:
    """Half of the limit is enough, however short it has been waiting."""
    memory.put(50)
    assert memory.overflow.due(False, answers=0, now=10.0) == (False, False)
    memory.put(1)
    assert memory.overflow.due(False, answers=0, now=10.1) == (False, True)


def test_idle_time_is_no_waiting_time(memory: Memory) -> None:
    """After an hour without events the first one has its moment all the same."""
    assert memory.overflow.due(False, answers=0, now=0.0) == (False, False)
    assert memory.overflow.due(False, answers=0, now=3600.0) == (False, False)
    memory.put(1)
    assert memory.overflow.due(False, answers=0, now=3600.1) == (False, False)
    assert memory.overflow.due(False, answers=0, now=3601.2) == (False, True)


async def test_events_move_in_their_order_and_make_room(memory: Memory) -> None:
    """What is on disk does not count against the memory any more."""
    events = memory.put(100)
    await memory.overflow.move_events()
    assert memory.disk.stored == [encode_event(event) for event in events]
    assert (memory.buffer.held, memory.buffer.pending) == (0, 100)
    assert memory.buffer.put(a_usage()) is None


async def test_what_does_not_fit_on_disk_stays_in_memory_in_its_order() -> None:
    """The oldest go to disk, the others wait, and the refusal names the reason."""
    memory = Memory(room=30)
    events = memory.put(100)
    await memory.overflow.move_events()
    assert len(memory.disk.stored) == 30
    assert memory.buffer.take(1_000) == events[30:]
    memory.buffer.put_back(events[30:])
    memory.put(30)
    assert memory.buffer.put(a_usage()) == "spool_full"


async def test_who_waits_for_kafka_is_kept_in_memory(memory: Memory) -> None:
    """A delivery and a flush stay, in their order."""
    memory.put(3)
    delivery, barrier = Delivery([a_usage()]), Delivery()
    memory.buffer.put_all(delivery)
    memory.buffer.put_barrier(barrier)
    await memory.overflow.move_events()
    assert memory.buffer.take(10) == [delivery, barrier]
    assert len(memory.disk.stored) == 3


async def test_who_flushes_keeps_its_place_behind_what_had_no_room() -> None:
    """A flush does not overtake the events that stay in memory before it."""
    memory = Memory(room=1)
    events = memory.put(3)
    memory.buffer.put_barrier(barrier := Delivery())
    await memory.overflow.move_events()
    assert memory.buffer.take(10) == [*events[1:], barrier]


def test_a_record_under_way_moves_unless_somebody_waits_for_it(
    memory: Memory,
) -> None:
    """A delivery's record stays, everybody else's goes."""
    plain = memory.record(3)
    waited_for = memory.record(2, Delivery([a_usage()]))
    encoded = list(plain.encoded)
    assert memory.overflow.move_records([plain, waited_for]) == [plain]
    assert memory.disk.stored == encoded
    assert memory.buffer.held == 2


def test_who_flushes_waits_for_what_moved_to_disk(memory: Memory) -> None:
    """Its place is taken by a barrier whose turn comes behind the disk."""
    flush = Delivery()
    moved = memory.record(3, flush)
    flush.complete()
    memory.overflow.move_records([moved])
    assert not flush.future.done()
    (barrier,) = memory.buffer.take(10)
    assert isinstance(barrier, Delivery)
    barrier.complete()
    assert flush.future.done()


def test_who_flushes_waits_for_both_parts_of_a_record() -> None:
    """For what fitted on disk, and for what stays in memory."""
    memory = Memory(room=2)
    flush = Delivery()
    record = memory.record(3, flush)
    flush.complete()
    memory.overflow.move_records([record])
    (barrier,) = memory.buffer.take(10)
    assert isinstance(barrier, Delivery)
    record.release()
    assert not flush.future.done()
    barrier.complete()
    assert flush.future.done()


def test_a_record_that_fits_in_part_keeps_the_rest() -> None:
    """What is stored leaves the record, so that each event is counted once."""
    memory = Memory(room=2)
    record = memory.record(3)
    last = record.encoded[-1]
    assert memory.overflow.move_records([record]) == []
    assert record.encoded == [last]
    assert memory.buffer.held == 1


def test_at_the_end_a_great_many_move_in_stretches() -> None:
    """However many there are, and encoded by whom."""
    memory = Memory(room=2_000, limit=2_000)
    memory.put(1_000)
    encoded = [EncodedEvent.of(a_usage()) for _ in range(501)]
    memory.buffer.put_all(Delivery(encoded))
    assert memory.overflow.move_rest([]) == 0
    assert len(memory.disk.stored) == 1_501
    assert memory.disk.stored[1_000:] == [event.value for event in encoded]


def test_at_the_end_everything_moves_and_the_rest_is_lost() -> None:
    """What was under way, what waited, and what somebody waits for."""
    memory = Memory(room=6)
    (under_way,) = memory.put(1)
    memory.buffer.take(1)
    memory.put(3)
    memory.buffer.put_all(Delivery([a_usage() for _ in range(4)]))
    assert memory.overflow.move_rest([encode_event(under_way)]) == 2
    assert memory.disk.stored[0] == encode_event(under_way)
    assert len(memory.disk.stored) == 6


async def test_an_event_that_cannot_be_encoded_is_lost_alone(memory: Memory) -> None:
    """One built around its own validation does not hold up the others."""
    good = memory.put(1)
    broken = a_usage().model_copy(update={"occurred_at": object()})
    assert memory.buffer.put(broken) is None
    good += memory.put(1)
    await memory.overflow.move_events()
    assert memory.disk.stored == [encode_event(event) for event in good]
    assert memory.buffer.lost == 1


def test_only_records_from_disk_are_from_disk(memory: Memory) -> None:
    """Whoever waits in person does not make a record one of the disk's."""
    record = memory.record(1, Delivery([a_usage()]), Delivery())
    assert not from_disk(record)
