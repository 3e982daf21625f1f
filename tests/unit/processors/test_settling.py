"""Which reservations a usage record settles, and the bytes that say so."""

from __future__ import annotations

from taximeter_processors.calls import read_usage
from taximeter_processors.settling import MOST_ROWS, settled_by, spend_records
from taximeter_schemas.records import packed
from taximeter_schemas.spend import spend_advanced_adapter
from tests.builders import NOON, a_repricing, a_usage, an_id

ROW = b'["user","alice",900,["5",1,0,7,3]]'


def test_a_record_settles_what_its_calls_name() -> None:
    """Each call that counts, whatever else stands beside it."""
    events = a_usage(reservation_id=an_id(1)), a_usage(), a_repricing()
    value = packed([event.model_dump_json().encode() for event in events])
    found = list(enumerate(read_usage(value, NOON, ours=True).events))
    assert settled_by(value, found) == [an_id(1)]  # type: ignore[arg-type]
    assert settled_by(value, found[1:]) == []  # type: ignore[arg-type]
    assert settled_by(None, []) == []


def test_spend_records_are_what_the_schema_says() -> None:
    """The bytes that the agent writes are a `SpendAdvanced`, settled or not."""
    for settled in ((), (an_id(1), an_id(2))):
        ((record,),) = spend_records(2, {0: [ROW]}, settled, 1).values()
        event = spend_advanced_adapter.validate_json(record)
        assert (event.source_partition, len(event.rows)) == (2, 1)
        assert event.settled == settled


def test_every_owner_hears_of_what_is_settled() -> None:
    """With their rows if they have any; without, nobody else is told anything."""
    records = spend_records(2, {1: [ROW]}, [an_id(1)], 3)
    read = {
        owner: spend_advanced_adapter.validate_json(one)
        for owner, (one,) in records.items()
    }
    assert {owner: len(one.rows) for owner, one in read.items()} == {0: 0, 1: 1, 2: 0}
    assert {one.settled for one in read.values()} == {(an_id(1),)}
    assert list(spend_records(2, {1: [ROW]}, [], 3)) == [1]


def test_nothing_is_settled_before_all_of_its_sums_are_said() -> None:
    """Of a flush with more rows than a record has, the last record says it."""
    records = spend_records(2, {0: [ROW] * (MOST_ROWS + 1)}, [an_id(1)], 1)[0]
    read = [spend_advanced_adapter.validate_json(one) for one in records]
    assert [len(one.rows) for one in read] == [MOST_ROWS, 1]
    assert [one.settled for one in read] == [(), (an_id(1),)]
