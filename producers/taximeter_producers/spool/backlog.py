"""The side of a spool that hands events out to be sent, oldest first.

All of it belongs to the one thread that sends.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from taximeter_producers.packing import Delivery
from taximeter_producers.spool.claims import Claim, claim_names
from taximeter_producers.spool.files import (
    SpoolFile,
    Stored,
    is_corrupt,
    put_aside,
    size_of,
)
from taximeter_producers.spool.intake import Intake, Owned, epoch_ms
from taximeter_producers.spool.level import DISK_ERRORS, Level, SpoolPlan, Trouble
from taximeter_schemas.clock import Clock

__all__ = ["Backlog", "Batch"]

log = logging.getLogger(__name__)

_MOST_UNDER_WAY: Final = 4
_BATCH_EVENTS: Final = 4_000
_BATCH_BYTES: Final = 4 * 1024 * 1024

_CUT_SHORT: Final = (
    "the end of the spool file %s cannot be read, %d bytes, kept beside it: what was "
    "being written when its process died, or damage to the disk"
)


class Batch(Delivery):
    """Events read from one file; settled when Kafka has them all, as any delivery.

    `expired` of them are not in `encoded`: they had passed the age limit.
    """

    __slots__ = ("encoded", "expired", "file", "seq", "size_bytes")

    def __init__(self, file: SpoolFile, rows: list[Stored], oldest_ms: int) -> None:
        super().__init__()
        self.file = file
        self.seq = rows[-1].seq
        self.size_bytes = size_of([row.encoded for row in rows])
        self.encoded = [row.encoded for row in rows if row.added_ms >= oldest_ms]
        self.expired = len(rows) - len(self.encoded)


class Backlog:
    """What is to be sent: first what dead processes left behind, then our own.

    Args:
        plan: where the files are, and how old an event may become.
        intake: the other side.
        level: kept up to date.
        trouble: told of what the disk does.
        clock: for the age limit.
        lost: told of events that cannot be read any more.
    """

    def __init__(
        self,
        plan: SpoolPlan,
        intake: Intake,
        level: Level,
        trouble: Trouble,
        clock: Clock,
        lost: Callable[[int], None],
    ) -> None:
        # Who needs both locks takes this one first, and then the intake's.
        self.lock = threading.RLock()
        self._plan = plan
        self._intake = intake
        self._level = level
        self._trouble = trouble
        self._clock = clock
        self._lost = lost
        self._left_behind: list[Owned] = []
        self._under_way: deque[Batch] = deque()

    @property
    def owned(self) -> list[Owned]:
        """All that this process has a claim to, in the order in which it is sent."""
        own = self._intake.own
        return [*self._left_behind, own] if own else list(self._left_behind)

    @property
    def enough_under_way(self) -> bool:
        """Whether to wait for Kafka before more is read."""
        return len(self._under_way) >= _MOST_UNDER_WAY

    def next_batch(self) -> Batch | None:
        """Read the next events; None if there are none that can be read."""
        for file in self._files():
            if file.unread > 0 and (batch := self._read(file)):
                self._under_way.append(batch)
                return batch
        return None

    def forget_delivered(self) -> None:
        """Forget the oldest batches as far as Kafka has them."""
        while self._under_way and self._under_way[0].future.done():
            batch = self._under_way.popleft()
            self._level.events_out += batch.seq - batch.file.done
            self._level.bytes_out += batch.size_bytes
            batch.file.mark_done(batch.seq, batch.size_bytes)
            self._intake.remember(batch.file)
            if not batch.file.waiting:
                self.discard_done()

    def discard_done(self) -> None:
        """Delete the files that get no more events and hold none that wait."""
        for owned in self.owned:
            for file in list(owned.files):
                if not file.waiting and file is not self._intake.current:
                    owned.files.remove(file)
                    self._trouble.attempt(file.discard)
        for owned in [owned for owned in self._left_behind if not owned.files]:
            self._left_behind.remove(owned)
            self._trouble.attempt(owned.claim.remove)

    def sweep(self) -> None:
        """Discard what is done with, and look after what waits."""
        self.discard_done()
        for file in self._files():
            current = file is self._intake.current
            if current or not file.sealed:
                self._trouble.attempt(file.sync if current else file.seal)

    def take_over(self) -> None:
        """Claim what dead processes left behind."""
        ours = {owned.claim.name for owned in self.owned}
        for name in claim_names(self._plan.directory):
            if name not in ours:
                self._trouble.attempt(lambda name=name: self._take_over(name))  # type: ignore[misc]

    def leave(self) -> None:
        """Close every file, and leave what waits to whoever comes next."""
        for owned in self.owned:
            for file in owned.files:
                self._trouble.attempt(file.remember)
                self._trouble.attempt(file.seal)
            self._trouble.attempt(
                owned.claim.release if owned.files else owned.claim.remove
            )

    def _files(self) -> Iterator[SpoolFile]:
        for owned in self.owned:
            yield from list(owned.files)

    def _read(self, file: SpoolFile) -> Batch | None:
        try:
            rows = file.read(_BATCH_EVENTS, _BATCH_BYTES)
        except DISK_ERRORS as error:
            self._unreadable(file, error)
            return None
        return Batch(file, rows, self._oldest_ms()) if rows else None

    def _oldest_ms(self) -> int:
        if self._plan.max_age is None:
            return 0
        return epoch_ms(self._clock) - int(self._plan.max_age.total_seconds() * 1000)

    def _unreadable(self, file: SpoolFile, error: Exception) -> None:
        if not is_corrupt(error):
            self._trouble.say(error)
            return
        if file is self._intake.current:
            self._trouble.attempt(self._intake.prepare)
            return
        events, size_bytes = file.give_up_unread()
        self._level.events_out += events
        self._level.bytes_out += size_bytes
        self._lost(events)
        self._trouble.attempt(
            lambda: _say_corrupt(file.put_aside(), f"{events} usage events")
        )

    def _take_over(self, name: str) -> None:
        claim = Claim.on(self._plan.directory, name)
        if claim is None:
            return
        try:
            files = [file for path in claim.files() if (file := self._opened(path))]
        except BaseException:
            claim.release()
            raise
        self._left_behind.append(Owned(claim, files))
        self._left_behind.sort(key=lambda owned: owned.claim.name)
        self._level.events_found += sum(file.waiting for file in files)
        self._level.bytes_found += sum(file.bytes_in for file in files)

    def _opened(self, path: Path) -> SpoolFile | None:
        try:
            file = SpoolFile(path)
        except sqlite3.Error as error:
            if not is_corrupt(error):
                raise
            _say_corrupt(put_aside(path), "what it held")
            return None
        if file.unreadable_bytes:
            log.error(_CUT_SHORT, path, file.unreadable_bytes)
        file.seal()
        return file


def _say_corrupt(kept_as: Path, lost: str) -> None:
    log.error("a spool file is corrupt, %s lost with it; kept as %s", lost, kept_as)
