"""How much all requests together may hold in memory, and when to come back for more.

A body counts from its first byte. Once its events are accepted it counts until Kafka
has them, however long ago its request was answered: what waits for a Kafka that is
away is memory too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from time import monotonic
from types import TracebackType
from typing import Final, Self

__all__ = ["MAX_BODY_BYTES", "Limits", "NoRoom", "NotAcknowledged", "Place", "Room"]

MAX_BODY_BYTES: Final = 8 * 1024 * 1024

_LONGEST_PAUSE_SECONDS: Final = 30


@dataclass(frozen=True)
class Limits:
    """What one API process may take on.

    Args:
        requests: that record events at the same moment.
        pending_events: accepted and not yet acknowledged by Kafka.
        pending_bytes: of bodies that are being read, or wait for Kafka.
        body_bytes: of one body.
        body_seconds: until a body has arrived.
        acknowledged_seconds: until Kafka has acknowledged what a request brought.
    """

    requests: int = 500
    pending_events: int = 100_000
    pending_bytes: int = 128 * 1024 * 1024
    body_bytes: int = MAX_BODY_BYTES
    body_seconds: float = 30.0
    acknowledged_seconds: float = 10.0


class NoRoom(Exception):
    """As much is under way as may be; nothing of the request was accepted."""


class NotAcknowledged(Exception):
    """Events were accepted, and Kafka has not said in time that it has them."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"Kafka has not acknowledged the events within {seconds:g} s")


class Room:
    """Counts what all requests hold, and refuses what would be too much.

    One event loop uses it.

    Args:
        limits: how much is too much.
        now: seconds that never step back.
    """

    def __init__(self, limits: Limits, now: Callable[[], float] = monotonic) -> None:
        self.limits = limits
        self.requests = 0
        self.pending_bytes = 0
        self._now = now
        self._deliveries = 0
        self._moved_at = 0.0

    @property
    def stalled_seconds(self) -> float:
        """For how long Kafka has acknowledged nothing although something waits."""
        return self._now() - self._moved_at if self._deliveries else 0.0

    @property
    def retry_after_seconds(self) -> int:
        """When it makes sense to come back: the longer Kafka is away, the later."""
        return max(1, min(ceil(self.stalled_seconds), _LONGEST_PAUSE_SECONDS))

    def place(self) -> Place:
        """Let one more request in, for as long as the block runs.

        Raises:
            NoRoom: there are as many as there may be.
        """
        if self.requests >= self.limits.requests:
            raise NoRoom(f"{self.requests} requests are being answered")
        return Place(self)

    def hold(self, size: int) -> None:
        """Count bytes of a body.

        Raises:
            NoRoom: there are as many as there may be.
        """
        if self.pending_bytes + size > self.limits.pending_bytes:
            raise NoRoom(f"{self.pending_bytes} bytes of events wait for Kafka")
        self.pending_bytes += size

    def release(self, size: int) -> None:
        """Bytes that were held are gone."""
        self.pending_bytes -= size

    def handed_over(self) -> None:
        """Take note that the events of a request are on their way to Kafka."""
        if not self._deliveries:
            self._moved_at = self._now()
        self._deliveries += 1

    def settled(self, size: int, *, arrived: bool) -> None:
        """Take note that Kafka has those events, or that they were refused."""
        self._deliveries -= 1
        if arrived:
            self._moved_at = self._now()
        self.release(size)


class Place:
    """What one request holds; all that it still holds at its end is released."""

    __slots__ = ("_bytes", "_room")

    def __init__(self, room: Room) -> None:
        self._room = room
        self._bytes = 0

    def __enter__(self) -> Self:
        self._room.requests += 1
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._room.requests -= 1
        self._room.release(self._bytes)

    def hold(self, size: int) -> None:
        """Count bytes of the request's body.

        Raises:
            NoRoom: all requests together hold as many as they may.
        """
        self._room.hold(size)
        self._bytes += size

    def hand_over(self) -> Callable[[bool], None]:
        """Leave the bytes to a delivery, which calls the answer when it is settled."""
        size, self._bytes = self._bytes, 0
        self._room.handed_over()
        return lambda arrived: self._room.settled(size, arrived=arrived)
