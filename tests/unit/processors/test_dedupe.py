"""The first one counts, within the horizon."""

from __future__ import annotations

from datetime import timedelta

from taximeter_processors.dedupe import Generation, SeenIds
from tests.builders import NOON, an_id

HOUR = timedelta(hours=1)


def test_the_first_one_counts() -> None:
    """An id is new once."""
    seen = SeenIds()
    seen.advance(0, NOON)
    assert [seen.first_time(an_id("a")) for _ in range(3)] == [True, False, False]
    assert seen.first_time(an_id("b"))


def test_an_id_is_remembered_for_the_whole_horizon() -> None:
    """Just within the horizon a duplicate is still known."""
    seen = SeenIds(24 * HOUR)
    seen.advance(0, NOON)
    seen.first_time(an_id("a"))
    seen.advance(1, NOON + 24 * HOUR - timedelta(seconds=1))
    assert not seen.first_time(an_id("a"))


def test_the_horizon_forgets() -> None:
    """Behind the horizon the memory lets go, whole generations at a time."""
    seen = SeenIds(24 * HOUR)
    for hour in range(0, 240, 2):
        seen.advance(hour, NOON + hour * HOUR)
        assert seen.first_time(an_id(hour))
    assert len(seen) <= 15
    assert len(seen.generations) <= 5
    assert seen.first_time(an_id(0))


def test_the_brokers_clock_may_step_back() -> None:
    """A record stamped earlier than the one before it opens no generation."""
    seen = SeenIds(24 * HOUR)
    seen.advance(0, NOON)
    seen.advance(1, NOON - 100 * HOUR)
    seen.first_time(an_id("a"))
    seen.advance(2, NOON)
    assert not seen.first_time(an_id("a"))
    assert len(seen.generations) == 1


def test_a_duplicate_is_remembered_anew() -> None:
    """Who sees only the duplicate, since the first is forgotten, still knows the id."""
    seen = SeenIds(24 * HOUR)
    for hour, new in ((0, True), (20, False), (40, False), (60, False), (100, True)):
        seen.advance(hour, NOON + hour * HOUR)
        assert seen.first_time(an_id("a")) is new


def test_a_new_horizon_keeps_the_memory() -> None:
    """Setting the horizon anew neither forgets at once nor stops forgetting."""
    for old, new in ((24 * HOUR, 48 * HOUR), (48 * HOUR, 24 * HOUR)):
        before = SeenIds(old)
        before.advance(0, NOON)
        before.first_time(an_id("a"))
        after = SeenIds(new, before.generations)
        after.remember([an_id("a").int], 0)
        after.advance(1, NOON + HOUR)
        assert not after.first_time(an_id("a"))
        after.advance(2, NOON + 200 * HOUR)
        assert after.first_time(an_id("a"))


def test_an_id_goes_back_into_its_own_generation() -> None:
    """What was read again is forgotten when it would have been."""
    first = int(NOON.timestamp()) // 21_600 * 21_600
    generations = [Generation(first, 0), Generation(first + 21_600, 10)]
    seen = SeenIds(24 * HOUR, generations)
    seen.remember([an_id("a").int], 9)
    seen.remember([an_id("b").int], 10)
    seen.advance(20, NOON + 30 * HOUR)
    assert len(seen) == 1
    assert not seen.first_time(an_id("b"))
