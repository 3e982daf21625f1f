"""Where callers leave events and the sending thread picks them up.

The caller's side is a few hundred nanoseconds under a lock that is never held while
anything waits; the other side belongs to the one thread that sends.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from taximeter_producers.emitter import RefusalReason
from taximeter_producers.packing import Delivery, EncodedEvent
from taximeter_schemas.usage import EmittedEvent

__all__ = ["Buffer", "Item"]

Item = EmittedEvent | EncodedEvent | Delivery
"""What waits: an event, or somebody who waits for events."""


class Buffer:
    """Accepted events in their order, up to a limit that counts unsettled ones.

    An event counts against the limit from the moment it is accepted until Kafka has
    acknowledged it or it is on disk only: what waits inside the sending thread is
    bounded with it.

    Args:
        limit: how many events may be held.
        wake: called, outside the lock, when the sending thread has something to do;
            at most once until it calls `rest`.
    """

    def __init__(self, limit: int, wake: Callable[[], None]) -> None:
        self.limit = limit
        self.accepted = 0
        self.delivered = 0
        self.lost = 0
        self.on_disk = 0
        self.taken = 0
        self.full: RefusalReason = "buffer_full"
        self._closed = False
        self._awake = False
        self._wake = wake
        # Oldest first, those that were made smaller before all others.
        self._small: deque[Item] = deque()
        self._items: deque[Item] = deque()
        # Reentrant: a SIGTERM handler flushes on the thread that may be in here.
        self._lock = threading.RLock()

    def put(self, event: EmittedEvent) -> RefusalReason | None:
        """Accept one event, or return why not."""
        with self._lock:
            if self._closed:
                return "closed"
            if self.accepted - self.delivered - self.lost - self.on_disk >= self.limit:
                return self.full
            self._items.append(event)
            self.accepted += 1
            sleeping, self._awake = not self._awake, True
        if sleeping:
            self._wake()
        return None

    def put_all(self, delivery: Delivery) -> RefusalReason | None:
        """Accept all events of a delivery, or none and return why not."""
        count = len(delivery.events)
        with self._lock:
            if self._closed:
                return "closed"
            if self.held + count > self.limit:
                return self.full
            self._items.append(delivery)
            self.accepted += count
            sleeping, self._awake = not self._awake, True
        if sleeping:
            self._wake()
        return None

    def count_stored(self, events: int) -> None:
        """Count events that were accepted and are on disk, where they are fetched."""
        with self._lock:
            self.accepted += events
            self.on_disk += events
            sleeping, self._awake = not self._awake, True
        if sleeping:
            self._wake()

    def put_barrier(self, barrier: Delivery) -> None:
        """Queue somebody who waits for all that was accepted before, closed or not."""
        with self._lock:
            self._items.append(barrier)
            self._awake = True
        self._wake()

    def close(self) -> None:
        """Refuse every later event."""
        with self._lock:
            self._closed = True

    @property
    def pending(self) -> int:
        """Events accepted whose fate is still open."""
        with self._lock:
            return self.accepted - self.delivered - self.lost

    @property
    def held(self) -> int:
        """Events that count against the limit."""
        with self._lock:
            return self.accepted - self.delivered - self.lost - self.on_disk

    @property
    def waiting(self) -> int:
        """Items that have not been taken out."""
        return len(self._small) + len(self._items)

    def rest(self) -> None:
        """Ask for a wake at the next event; the sending thread calls it, then takes."""
        with self._lock:
            self._awake = False

    def take(self, most: int) -> list[Item]:
        """Take up to this many items out, oldest first; for the sending thread."""
        with self._lock:
            count = min(most, self.waiting)
            self.taken += count
            return [(self._small or self._items).popleft() for _ in range(count)]

    def put_back(self, items: Sequence[Item]) -> None:
        """Put items that were taken out back to the front, in their order."""
        with self._lock:
            self.taken -= len(items)
            self._small.extendleft(reversed(items))

    def shrink(self, most: int, smaller: Callable[[Item], Item]) -> int:
        """Have up to this many more items wait as something smaller; return how many.

        For the sending thread, like `take`: nobody else takes them out meanwhile.
        """
        with self._lock:
            some = [self._items.popleft() for _ in range(min(most, len(self._items)))]
        done = [smaller(item) for item in some]
        with self._lock:
            self._small.extend(done)
        return len(done)

    def settle(self, *, delivered: int = 0, lost: int = 0, on_disk: int = 0) -> None:
        """Count events whose fate is known or that went to disk: it makes room.

        `on_disk` is negative for those that were read back into memory.
        """
        with self._lock:
            self.delivered += delivered
            self.lost += lost
            self.on_disk += on_disk
