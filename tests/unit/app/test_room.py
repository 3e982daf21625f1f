"""What all requests together may hold, counted without a server."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest

from taximeter.api.room import Limits, NoRoom, Room


class Seconds:
    """A clock moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return the time it was moved to."""
        return self.now


def a_room(**limits: int) -> Room:
    """Return a room with these limits."""
    return Room(Limits(**limits))


def test_requests_beyond_the_limit_are_refused() -> None:
    """Another request is let in as soon as one is answered, not before."""
    room = a_room(requests=2)
    with room.place():
        with room.place(), pytest.raises(NoRoom, match="2 requests"):
            room.place()
        with room.place():
            assert room.requests == 2
    assert room.requests == 0


def test_bytes_beyond_the_limit_are_refused() -> None:
    """All bodies together are bounded; what a request held is free at its end."""
    room = a_room(pending_bytes=100)
    with room.place() as place:
        place.hold(60)
        place.hold(40)
        with room.place() as other, pytest.raises(NoRoom, match="100 bytes"):
            other.hold(1)
        assert room.pending_bytes == 100
    assert room.pending_bytes == 0


def test_a_request_that_fails_holds_nothing() -> None:
    """Whatever way a request ends, its place and its bytes are free."""
    room = a_room(pending_bytes=100)
    with suppress(NoRoom), room.place() as place:
        place.hold(60)
        place.hold(60)
    assert (room.requests, room.pending_bytes) == (0, 0)


def test_events_under_way_count_after_the_answer() -> None:
    """A request that was answered too early still holds its bytes until Kafka has."""
    room = a_room(pending_bytes=100)
    with room.place() as place:
        place.hold(60)
        settle = place.hand_over()
    assert room.pending_bytes == 60
    with room.place() as other, pytest.raises(NoRoom):
        other.hold(50)
    settle(True)
    assert room.pending_bytes == 0


def test_the_longer_kafka_is_away_the_later_one_comes_back() -> None:
    """Seconds since anything arrived, within 1 and 30; whole, as HTTP wants them."""
    seconds = Seconds()
    room = Room(Limits(), seconds)
    assert (room.stalled_seconds, room.retry_after_seconds) == (0, 1)
    first, second = (_handed_over(room) for _ in range(2))
    pauses: list[int] = []
    for passed in (0.2, 2.1, 4.0, 60.0):
        seconds.now += passed
        pauses.append(room.retry_after_seconds)
    assert pauses == [1, 3, 7, 30]
    first(False)
    assert room.retry_after_seconds == 30
    second(True)
    assert (room.stalled_seconds, room.retry_after_seconds) == (0, 1)


def test_a_quiet_hour_is_no_stall() -> None:
    """Nothing waits, so nothing is late: the count begins with what is handed over."""
    seconds = Seconds()
    room = Room(Limits(), seconds)
    _handed_over(room)(True)
    seconds.now += 3600
    _handed_over(room)
    assert room.retry_after_seconds == 1


def _handed_over(room: Room) -> Callable[[bool], None]:
    with room.place() as place:
        place.hold(1)
        return place.hand_over()
