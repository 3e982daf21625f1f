"""The side of a spool where callers of `emit` leave events."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from taximeter_producers.emitter import RefusalReason
from taximeter_producers.spool.claims import Claim
from taximeter_producers.spool.files import ROW_BYTES, SpoolFile, is_corrupt, size_of
from taximeter_producers.spool.level import DISK_ERRORS, Level, SpoolPlan, Trouble
from taximeter_schemas.clock import Clock
from taximeter_schemas.ids import time_ordered_id

__all__ = ["Intake", "Owned", "Write", "epoch_ms"]

_MOMENT_SECONDS: Final = 0.05


class Write:
    """Events on their way to the disk: how many of them arrived, and why not all."""

    __slots__ = ("encoded", "fits", "reason", "settled", "stored")

    def __init__(self, encoded: Sequence[bytes]) -> None:
        self.encoded = encoded
        self.fits = 0
        self.stored = 0
        # What it stays if whoever writes for us is torn out of it.
        self.reason: RefusalReason | None = "spool_failed"
        self.settled = False

    def settle(self, reason: RefusalReason | None) -> None:
        """Say how it ended: None for "all that fits is stored"."""
        self.stored = self.fits if reason is None else 0
        whole = self.stored == len(self.encoded)
        self.reason = None if whole else reason or "spool_full"
        self.settled = True


@dataclass
class Owned:
    """The files of one name, oldest first, and the claim to them."""

    claim: Claim
    files: list[SpoolFile] = field(default_factory=list[SpoolFile])


class Intake:
    """Writes events into files of this process's own, up to the limit.

    `put` is for any thread, `turn_over` for the one that sends.
    """

    def __init__(
        self, plan: SpoolPlan, level: Level, trouble: Trouble, clock: Clock
    ) -> None:
        # Reentrant: a signal handler may emit while this thread holds it.
        self.lock = threading.RLock()
        self.own: Owned | None = None
        self.current: SpoolFile | None = None
        self.closed = False
        self._plan = plan
        self._level = level
        self._trouble = trouble
        self._clock = clock
        self._writes: deque[Write] = deque()
        self._next: SpoolFile | None = None
        self._numbers = count(1)

    def open(self) -> None:
        """Make the first file now, so that the first event need not wait for it."""
        with self.lock:
            self._trouble.attempt(self._file)

    def put(self, encoded: Sequence[bytes]) -> Write:
        """Store these events, or as many of them as fit.

        Whoever gets the lock writes for all who wait, in one commit.
        """
        write = Write(encoded)
        self._writes.append(write)
        with self.lock:
            if not write.settled:
                self._write_all()
        return write

    def turn_over(self) -> None:
        """Have the next file ready if the current one is full."""
        if self.current is not None and self.current.full:
            self.prepare()

    def prepare(self) -> None:
        """Let whatever is written from now on go into another file."""
        # Made here, since it takes milliseconds; changed to by whoever writes next, so
        # that the thread that sends need not wait for those who write.
        if self.own is not None and self._next is None:
            self._next = self._fresh(self.own)

    def remember(self, file: SpoolFile) -> None:
        """Write down how far a file is done with, unless that would mean to wait.

        It is no loss: next time will do. And who waits may be waiting for a signal
        handler that has interrupted a write, and itself waits for us.
        """
        if self.lock.acquire(timeout=_MOMENT_SECONDS):
            try:
                self._trouble.attempt(file.remember)
            finally:
                self.lock.release()

    def end(self) -> None:
        """Store no more."""
        self.closed, self.current = True, None
        if self._next is not None and self.own is not None:
            self.own.files.append(self._next)
            self._next = None

    def _write_all(self) -> None:
        writes = [self._writes.popleft() for _ in range(len(self._writes))]
        try:
            reason = self._store(writes)
        except DISK_ERRORS as error:
            reason = self._trouble.refuse(error)
            if is_corrupt(error):
                self.current = None
        for write in writes:
            write.settle(reason)

    def _store(self, writes: Sequence[Write]) -> RefusalReason | None:
        if self.closed:
            return "closed"
        if reason := self._trouble.lasting:
            return reason
        room = self._plan.max_bytes - self._level.others_bytes
        fitting = _fitting(writes, room - self._level.waiting_bytes)
        if fitting:
            self._file().append(fitting, epoch_ms(self._clock))
            self._level.events_in += len(fitting)
            self._level.bytes_in += size_of(fitting)
        return None

    def _file(self) -> SpoolFile:
        if self.current is None or self._next is not None:
            own = self._claimed()
            # It is in the list only when it is the current one: others are discarded.
            self.current, self._next = self._next or self._fresh(own), None
            own.files.append(self.current)
        return self.current

    def _fresh(self, own: Owned) -> SpoolFile:
        return SpoolFile(own.claim.file(next(self._numbers)))

    def _claimed(self) -> Owned:
        while self.own is None:
            self._plan.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            name = str(time_ordered_id(self._clock.now()))
            claim = Claim.on(self._plan.directory, name)
            self.own = Owned(claim) if claim else None
        return self.own


def epoch_ms(clock: Clock) -> int:
    """Return the present moment as a file keeps it."""
    return int(clock.now().timestamp() * 1000)


def _fitting(writes: Sequence[Write], room: int) -> list[bytes]:
    """Return the first events, as many as there is room for, and tell each write."""
    fitting: list[bytes] = []
    for write in writes:
        for encoded in write.encoded:
            room -= len(encoded) + ROW_BYTES
            if room < 0:
                return fitting
            fitting.append(encoded)
            write.fits += 1
    return fitting
