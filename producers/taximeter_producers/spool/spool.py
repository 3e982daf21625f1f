"""A spool as an emitter sees it: one side to write to, one to read from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from taximeter_producers.spool.backlog import Backlog, Batch
from taximeter_producers.spool.claims import bytes_of_others, claim_names
from taximeter_producers.spool.intake import Intake, Write
from taximeter_producers.spool.level import Level, SpoolPlan, Trouble
from taximeter_schemas.clock import Clock, SystemClock

__all__ = ["Spool"]

# What a parent process had open when it forked. SQLite says that a child must not
# even close it, so the child keeps it.
_inherited: Final[list[object]] = []


class Spool:
    """What this process has on disk, and what dead ones left in the same directory.

    `put`, `waiting` and `waiting_bytes` are for any thread; `pause`, `resume` and
    `abandon` surround a fork; all else is for the one thread that sends. Nothing
    raises for what the disk does.

    Args:
        plan: where, and how much.
        lost: told of events that were stored and cannot be read any more.
        clock: for the age limit, and for the names of files.
    """

    def __init__(
        self,
        plan: SpoolPlan,
        lost: Callable[[int], None],
        clock: Clock | None = None,
    ) -> None:
        clock = clock or SystemClock()
        self._plan = plan
        self._level = Level()
        self._trouble = Trouble(plan.directory)
        self._intake = Intake(plan, self._level, self._trouble, clock)
        self._backlog = Backlog(
            plan, self._intake, self._level, self._trouble, clock, lost
        )

    @property
    def waiting(self) -> int:
        """Events on disk that Kafka is not known to have."""
        return self._level.waiting

    @property
    def waiting_bytes(self) -> int:
        """What they count against the limit."""
        return self._level.waiting_bytes

    @property
    def recovered(self) -> int:
        """Events of dead processes that were found so far."""
        return self._level.events_found

    @property
    def used_before(self) -> bool:
        """Whether anybody has been here, and may have left something."""
        with suppress(OSError):
            return bool(claim_names(self._plan.directory))
        return False

    def open(self) -> None:
        """Make the first file now, so that the first event need not wait for it."""
        self._intake.open()

    def put(self, encoded: Sequence[bytes]) -> Write:
        """Store these events, or as many of them as there is room for.

        What was stored survives the death of this process.
        """
        return self._intake.put(encoded)

    @property
    def enough_under_way(self) -> bool:
        """Whether to wait for Kafka before more is read."""
        return self._backlog.enough_under_way

    def next_batch(self) -> Batch | None:
        """Read the next events, oldest first; None if there are none to be read."""
        with self._backlog.lock:
            return None if self._intake.closed else self._backlog.next_batch()

    def forget_delivered(self) -> None:
        """Forget the oldest batches as far as Kafka has them."""
        with self._backlog.lock:
            if not self._intake.closed:
                self._backlog.forget_delivered()

    def turn_over(self) -> None:
        """Begin a new file if the current one is full; to be called often."""
        with self._backlog.lock:
            self._trouble.attempt(self._intake.turn_over)

    def tend(self) -> int:
        """Look after the files; return how many events of the dead were found.

        To be called every second: so much is what a power cut may cost, and how long
        it takes until somebody's death is noticed.
        """
        found = self.recovered
        with self._backlog.lock:
            if not self._intake.closed:
                self._backlog.sweep()
                self._trouble.attempt(self._backlog.take_over)
                self._trouble.attempt(self._compare)
        return self.recovered - found

    def close(self) -> None:
        """Store no more, and leave what waits to whoever comes next."""
        with self._backlog.lock, self._intake.lock:
            if self._intake.closed:
                return
            self._intake.end()
            self._backlog.discard_done()
            self._trouble.attempt(self._compare)
            self._backlog.leave()

    def pause(self) -> None:
        """Finish what is being done on disk and begin nothing: a fork is coming.

        A child that was forked in the middle of it could never use SQLite again.
        """
        self._backlog.lock.acquire()
        self._intake.lock.acquire()

    def resume(self) -> None:
        """Go on, in the parent."""
        self._intake.lock.release()
        self._backlog.lock.release()

    def abandon(self) -> None:
        """Leave all of it to the parent; the child makes a spool of its own."""
        self._intake.end()
        for owned in self._backlog.owned:
            owned.claim.release()
            for file in owned.files:
                _inherited.extend(file.connections)

    def _compare(self) -> None:
        """Say how much of the limit is ours, and see how much the others took."""
        owned = self._backlog.owned
        for each in owned:
            each.claim.say(sum(file.waiting_bytes for file in each.files))
        ours = {each.claim.name for each in owned}
        self._level.others_bytes = bytes_of_others(self._plan.directory, ours)
