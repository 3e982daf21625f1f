"""The first one counts, within the horizon."""

from __future__ import annotations

from datetime import timedelta

from taximeter_processors.dedupe import SeenIds
from tests.builders import NOON, an_id

HOUR = timedelta(hours=1)


def test_the_first_one_counts() -> None:
    """An id is new once."""
    seen = SeenIds()
    seen.advance(NOON)
    assert [seen.first_time(an_id("a")) for _ in range(3)] == [True, False, False]
    assert seen.first_time(an_id("b"))


def test_an_id_is_remembered_for_the_whole_horizon() -> None:
    """Just within the horizon a duplicate is still known."""
    seen = SeenIds(24 * HOUR)
    seen.advance(NOON)
    seen.first_time(an_id("a"))
    seen.advance(NOON + 24 * HOUR - timedelta(seconds=1))
    assert not seen.first_time(an_id("a"))


def test_the_horizon_forgets() -> None:
    """Behind the horizon the memory lets go, whole generations at a time."""
    seen = SeenIds(24 * HOUR)
    for hour in range(0, 240, 2):
        seen.advance(NOON + hour * HOUR)
        assert seen.first_time(an_id(hour))
    assert len(seen) <= 15
    assert seen.first_time(an_id(0))


def test_the_brokers_clock_may_step_back() -> None:
    """A record stamped earlier than the one before it opens no generation."""
    seen = SeenIds(24 * HOUR)
    seen.advance(NOON)
    seen.advance(NOON - 100 * HOUR)
    seen.first_time(an_id("a"))
    seen.advance(NOON)
    assert not seen.first_time(an_id("a"))
    assert len(seen) == 1


def test_a_duplicate_is_remembered_anew() -> None:
    """Who sees only the duplicate, since the first is forgotten, still knows the id."""
    seen = SeenIds(24 * HOUR)
    for hour, new in ((0, True), (20, False), (40, False), (60, False), (100, True)):
        seen.advance(NOON + hour * HOUR)
        assert seen.first_time(an_id("a")) is new


def test_a_new_horizon_keeps_the_memory() -> None:
    """Setting the horizon anew neither forgets at once nor stops forgetting."""
    for old, new in ((24 * HOUR, 48 * HOUR), (48 * HOUR, 24 * HOUR)):
        before = SeenIds(old)
        before.advance(NOON)
        before.first_time(an_id("a"))
        after = SeenIds(new)
        after.restore(written(before))
        after.advance(NOON + HOUR)
        assert not after.first_time(an_id("a"))
        after.advance(NOON + 200 * HOUR)
        assert after.first_time(an_id("a"))


def test_an_id_goes_back_into_its_own_generation() -> None:
    """What was written down is forgotten when it would have been, and its rows go."""
    before = SeenIds(24 * HOUR)
    for name, hour in (("a", 0), ("b", 6)):
        before.advance(NOON + hour * HOUR)
        before.first_time(an_id(name))
    (of_a, of_b) = written(before)
    seen = SeenIds(24 * HOUR)
    seen.restore([of_b, of_a])
    seen.advance(NOON + 30 * HOUR)
    assert len(seen) == 1
    assert list(seen.changed(9)) == [(of_a[0], None)]
    assert not seen.first_time(an_id("b"))


def test_each_id_is_written_once() -> None:
    """A duplicate adds nothing to what is kept, and a flush says only what is new."""
    seen = SeenIds()
    seen.advance(NOON)
    assert seen.all_new([an_id("a").int, an_id("b").int])
    assert not seen.first_time(an_id("a"))
    ((_, value),) = written(seen)
    assert value == an_id("a").bytes + an_id("b").bytes
    assert list(seen.changed(2)) == []


def test_many_ids_are_several_rows() -> None:
    """No record of the changelog grows beyond what Kafka takes."""
    seen = SeenIds()
    seen.advance(NOON)
    assert seen.all_new(range(50_000))
    rows = written(seen)
    assert [len(value) for _, value in rows] == [320_000, 320_000, 160_000]
    again = SeenIds()
    again.restore(rows)
    assert len(again) == 50_000


def written(seen: SeenIds, offset: int = 1) -> list[tuple[bytes, bytes]]:
    """Return the rows that a memory writes down."""
    rows = seen.changed(offset)
    return [(key, value) for key, value in rows if value is not None]
