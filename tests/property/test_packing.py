"""Packing keeps every event, in order, in its own partition, within the limits."""

from __future__ import annotations

from collections import defaultdict
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from taximeter_producers.packing import Delivery, EncodedEvent, Packer, Record
from taximeter_schemas.records import encode_event, usage_key, usage_partition
from tests.builders import a_usage

EVENTS = st.lists(st.tuples(st.uuids(), st.binary(min_size=2, max_size=60)))
PARTITIONS = st.integers(1, 12)


def packed_up(
    events: list[tuple[UUID, bytes]], packer: Packer, delivery: Delivery | None = None
) -> list[Record]:
    """Return the records in which a packer puts these events."""
    for event_id, encoded in events:
        packer.add([(usage_key(event_id), encoded)], delivery)
    return packer.all()


@given(EVENTS, PARTITIONS, st.integers(1, 9), st.integers(40, 300))
def test_every_event_is_in_one_record_of_its_own_partition(
    events: list[tuple[UUID, bytes]], partitions: int, most: int, size: int
) -> None:
    """Each event stands once, in its partition, after those that came before it."""
    expected: dict[int, list[bytes]] = defaultdict(list)
    for event_id, encoded in events:
        expected[usage_partition(event_id, partitions)].append(encoded)
    found: dict[int, list[bytes]] = defaultdict(list)
    for record in packed_up(events, Packer(partitions, most, size)):
        found[record.partition].extend(record.encoded)
    assert found == expected


@given(EVENTS, PARTITIONS, st.integers(1, 9), st.integers(40, 300))
def test_no_record_is_larger_than_allowed(
    events: list[tuple[UUID, bytes]], partitions: int, most: int, size: int
) -> None:
    """A record keeps both limits, unless its one event is larger by itself."""
    for record in packed_up(events, Packer(partitions, most, size)):
        assert 1 <= len(record.encoded) <= most
        assert record.size_bytes == len(record.value)
        assert len(record.value) <= size or len(record.encoded) == 1


@given(EVENTS.filter(bool), PARTITIONS)
def test_a_delivery_is_done_with_the_last_of_its_records(
    events: list[tuple[UUID, bytes]], partitions: int
) -> None:
    """Its future resolves when all records are released, and not before."""
    delivery = Delivery()
    records = packed_up(events, Packer(partitions, 3, 200), delivery)
    delivery.complete()
    for record in records:
        assert not delivery.future.done()
        record.release()
    assert delivery.future.result(0) is None


@given(st.lists(st.binary(min_size=2, max_size=9), min_size=2, max_size=20))
def test_halves_hold_what_the_whole_held(encoded: list[bytes]) -> None:
    """Halving loses nothing, and who waited for the whole waits for both halves."""
    delivery = Delivery()
    whole = Record(0, 1, b"key", [], 1)
    for one in encoded:
        whole.add(one, delivery)
    delivery.complete()
    first, second = whole.halves()
    assert first.encoded + second.encoded == encoded
    assert [first.size_bytes, second.size_bytes] == [
        len(first.value),
        len(second.value),
    ]
    first.release()
    assert not delivery.future.done()
    second.release()
    assert delivery.future.done()


@given(st.uuids())
def test_an_event_travels_under_its_id(event_id: UUID) -> None:
    """Its key is the text of its id, wherever in the event that was taken from."""
    event = a_usage(event_id=event_id)
    assert EncodedEvent.of(event) == (usage_key(event.event_id), encode_event(event))
