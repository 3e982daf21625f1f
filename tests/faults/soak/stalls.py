"""How long each fault kept events from flowing through any of the partitions."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic
from typing import Final

__all__ = ["Stalls"]

_LOOK_SECONDS: Final = 0.2
_TOO_LONG_SECONDS: Final = 60.0


class Stalls(threading.Thread):
    """Watches how far the ledger has each partition of the stream.

    A partition stands still from one advance to the next. Of each fault the longest
    such stretch that ended, or went on, between it and the next fault counts: one that
    reaches over both counts for both.

    Args:
        progress: gives the next offset by partition, as far as it is known.
        partitions: how many there are.
        on_long_stall: called once in a stall that is longer than a minute.
    """

    def __init__(
        self,
        progress: Callable[[], dict[str, int]],
        partitions: int,
        on_long_stall: Callable[[], None],
    ) -> None:
        super().__init__(daemon=True)
        self.of_faults: list[float] = []
        self.before_faults = 0.0
        self._progress = progress
        self._on_long_stall = on_long_stall
        self._reached = {str(p): (-1, monotonic()) for p in range(partitions)}
        self._over = threading.Event()
        self._told = False

    def run(self) -> None:
        """Look five times a second until told to stop."""
        while not self._over.wait(_LOOK_SECONDS):
            self.look(self._progress(), monotonic())

    def stop(self) -> None:
        """Look no more: when nothing is emitted, nothing flows."""
        self._over.set()
        self.join()

    def fault(self) -> None:
        """Note that a fault begins now."""
        self.of_faults.append(0.0)

    def look(self, progress: dict[str, int], now: float) -> None:
        """Hold what is known now against what was known before."""
        stood = max(now - since for _, since in self._reached.values())
        if self.of_faults:
            self.of_faults[-1] = max(self.of_faults[-1], stood)
        else:
            self.before_faults = max(self.before_faults, stood)
        self._note_long(stood)
        for partition, offset in progress.items():
            if offset > self._reached[partition][0]:
                self._reached[partition] = (offset, now)

    def _note_long(self, stood: float) -> None:
        if stood > _TOO_LONG_SECONDS and not self._told:
            self._on_long_stall()
        self._told = stood > _TOO_LONG_SECONDS
