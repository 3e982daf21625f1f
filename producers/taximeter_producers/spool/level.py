"""How full a spool is, and how it takes what a disk does to it."""

from __future__ import annotations

import errno
import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Final

from taximeter_producers.emitter import Rarely, RefusalReason

__all__ = ["DISK_ERRORS", "Level", "SpoolPlan", "Trouble"]

log = logging.getLogger(__name__)

DISK_ERRORS: Final = (sqlite3.Error, OSError)
"""What anything that touches the disk may raise."""

_PAUSE_SECONDS: Final = 1.0
_NO_SPACE: Final = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class SpoolPlan:
    """Where a spool is and what it may hold.

    `max_bytes` is for all processes that share the directory; beyond `max_age` an
    event is given up.
    """

    directory: Path
    max_bytes: int
    max_age: timedelta | None = None


@dataclass
class Level:
    """Counts of what went in and out; each is changed under one lock only."""

    events_in: int = 0
    bytes_in: int = 0
    events_found: int = 0
    bytes_found: int = 0
    events_out: int = 0
    bytes_out: int = 0
    others_bytes: int = 0

    @property
    def waiting(self) -> int:
        """Events in our files that Kafka is not known to have."""
        return max(0, self.events_in + self.events_found - self.events_out)

    @property
    def waiting_bytes(self) -> int:
        """What they count against the limit."""
        return max(0, self.bytes_in + self.bytes_found - self.bytes_out)


class Trouble:
    """What the disk does wrong: logged now and then, and not provoked at once again."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._rarely = Rarely()
        self._until = float("-inf")
        self._reason: RefusalReason = "spool_failed"

    def attempt(self, action: Callable[[], object]) -> None:
        """Do something on disk that may fail, and will be tried again if it does."""
        try:
            action()
        except DISK_ERRORS as error:
            self.say(error)

    def refuse(self, error: Exception) -> RefusalReason:
        """Return why an event is refused, and refuse others too for a second."""
        self.say(error)
        self._reason = "spool_full" if _no_space(error) else "spool_failed"
        self._until = monotonic() + _PAUSE_SECONDS
        return self._reason

    @property
    def lasting(self) -> RefusalReason | None:
        """Why nothing should be written just now, or None."""
        return self._reason if monotonic() < self._until else None

    def say(self, error: Exception) -> None:
        """Log it, now and then."""
        if self._rarely.now():
            log.error("the spool in %s does not work: %s", self._directory, error)


def _no_space(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno in _NO_SPACE
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
