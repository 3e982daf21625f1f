"""What is read every few seconds: memory of each part, lag, ids."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

import httpx
import psutil

from tests.faults.soak.memory import Occupied
from tests.faults.soak.site import Site

__all__ = ["EMITTER", "Reading", "Readings"]

EMITTER: Final = "emitter"
_PATIENCE_SECONDS: Final = 2.0
_MIB: Final = 1024 * 1024


@dataclass(frozen=True)
class Reading:
    """How everything stood at one moment; `lag` counts records, as the parts say."""

    seconds: float
    emitted: int
    lag: int
    parts: dict[str, Occupied]

    @property
    def remembered_ids(self) -> int:
        """How many ids all workers remember together."""
        return sum(each.ids for each in self.parts.values())


class Readings(threading.Thread):
    """Reads until it is told to stop.

    Args:
        site: what is looked at.
        seconds: tells the time since the beginning.
        every: how many seconds apart the readings are.
    """

    def __init__(self, site: Site, seconds: Callable[[], float], every: float) -> None:
        super().__init__(daemon=True)
        self.taken: list[Reading] = []
        self._site = site
        self._seconds = seconds
        self._every = every
        self._over = threading.Event()

    def run(self) -> None:
        """Take one reading after the other."""
        due = monotonic()
        while not self._over.wait(max(0.0, due - monotonic())):
            due += self._every
            self.taken.append(self.now())

    def stop(self) -> None:
        """Take no more."""
        self._over.set()
        self.join()

    def now(self) -> Reading:
        """Read how everything stands, and give the API something to do."""
        self._ask_api()
        seconds, emitted = self._seconds(), self._site.emission.emitted
        states = [s for s in self._site.running.data.states() if s.running]
        parts = {
            s.name: Occupied(seconds, emitted, s.pid, size / _MIB, _ids(s.facts))
            for s in states
            if (size := s.memory_bytes)
        }
        pid = self._site.emission.pid
        if size := _resident(pid):
            parts[EMITTER] = Occupied(seconds, emitted, pid, size / _MIB)
        return Reading(seconds, emitted, sum(_lag(s.facts) for s in states), parts)

    def of(self, part: str) -> list[Occupied]:
        """Return one part's memory over time."""
        return [r.parts[part] for r in self.taken if part in r.parts]

    def _ask_api(self) -> None:
        url = self._site.running.urls["api"] + "/metrics"
        with suppress(httpx.HTTPError):
            httpx.get(url, timeout=_PATIENCE_SECONDS).read()


def _resident(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def _ids(facts: Mapping[str, Any]) -> int:
    return int(facts.get("remembered_ids", 0))


def _lag(facts: Mapping[str, Any]) -> int:
    lag = facts.get("lag", {})
    return sum(sum(counts.values()) for counts in lag.values())
