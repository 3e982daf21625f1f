"""Which alerts have been raised: pure.

A latch is a row that is written in the transaction that writes its alert, so that
neither is ever there without the other.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from taximeter_processors.rows import Rows

__all__ = ["Latches", "latch_key"]

_LATCH: Final = b"alert:"


class Latches:
    """What was raised, here or by whoever owned the partition before.

    Args:
        stored: the partition's rows as they were last flushed.
    """

    def __init__(self, stored: Rows) -> None:
        self._stored = stored
        # Between a flush and the end of its writing they are only here.
        self._set = set[UUID]()

    def is_set(self, alert: UUID) -> bool:
        """Tell whether an alert has been raised."""
        return alert in self._set or self._stored.get(latch_key(alert)) is not None

    def set(self, alert: UUID) -> bool:
        """Take note that an alert is raised; tell whether it is for the first time."""
        if self.is_set(alert):
            return False
        self._set.add(alert)
        return True


def latch_key(alert: UUID) -> bytes:
    """Return the key of an alert's row."""
    return _LATCH + str(alert).encode()
