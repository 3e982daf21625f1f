"""The emitting process: a steady rate, and after a kill the same events once more.

What a killed process had accepted and not delivered is lost, since an emitter keeps
it in memory. The next one begins at the last event that Kafka is known to have; what
it sends again is recognised by its id.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator, MutableSequence
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final

from taximeter.processes import die_with
from taximeter_producers.kafka import KafkaEmitter
from tests.faults.soak.traffic import Traffic

__all__ = ["Emission"]

_PROCESSES: Final = multiprocessing.get_context("spawn")
# In memory that both sides see: a killed process leaves its marks behind.
_EMITTED, _DELIVERED, _SENT = range(3)
_MAX_PENDING: Final = 200_000
_STEP_SECONDS: Final = 0.01
_CONFIRM_SECONDS: Final = 0.5
_LAST_SECONDS: Final = 120.0


class Emission:
    """Emits one stream, stretch by stretch, in a process that may be killed."""

    def __init__(self, kafka: str, traffic: Traffic, log: Path) -> None:
        self._given = (kafka, traffic, log)
        self._marks: Any = _PROCESSES.RawArray("q", 3)
        self._process: Any = None

    @property
    def emitted(self) -> int:
        """How many calls have been emitted at least once."""
        return int(self._marks[_EMITTED])

    @property
    def sent(self) -> int:
        """How often an emitter has accepted an event, duplicates and all."""
        return int(self._marks[_SENT])

    @property
    def pid(self) -> int:
        """The process id of the one that emits now."""
        return int(self._process.pid)

    @property
    def runs(self) -> bool:
        """Tell whether the stretch has not come to its end."""
        return bool(self._process.is_alive())

    def start(self, per_second: float | None, seconds: float) -> None:
        """Emit for so long, so many calls a second; None: as many as are taken."""
        self._per_second = per_second
        self._until = monotonic() + seconds
        self._spawn()

    def kill(self) -> None:
        """End the process as the kernel would, and start the next one."""
        self._process.kill()
        self._process.join()
        self._spawn()

    def finish(self) -> None:
        """Wait until the stretch is over and Kafka has everything."""
        self._process.join(max(0.0, self._until - monotonic()) + 2 * _LAST_SECONDS)
        assert self._process.exitcode == 0, self._process.exitcode

    def close(self) -> None:
        """End what still emits."""
        if self._process is not None:
            self._process.kill()
            self._process.join()

    def _spawn(self) -> None:
        left = max(0.0, self._until - monotonic())
        told = (*self._given, self._marks, self._per_second, left, os.getpid())
        self._process = _PROCESSES.Process(target=_emit, args=told, daemon=True)
        self._process.start()


def _emit(
    kafka: str,
    traffic: Traffic,
    log: Path,
    marks: MutableSequence[int],
    per_second: float | None,
    seconds: float,
    parent: int,
) -> None:
    """Be the emitting process."""
    die_with(parent)()
    with log.open("ab") as words:
        os.dup2(words.fileno(), sys.stderr.fileno())
    with KafkaEmitter(kafka, max_pending=_MAX_PENDING) as emitter:
        emitting = _Emitting(emitter, traffic, marks)
        confirming = threading.Thread(target=emitting.confirm, daemon=True)
        confirming.start()
        emitting.run(per_second, seconds)
        confirming.join()
        assert emitter.stats().lost == 0


class _Emitting:
    def __init__(
        self, emitter: KafkaEmitter, traffic: Traffic, marks: MutableSequence[int]
    ) -> None:
        self._emitter = emitter
        self._traffic = traffic
        self._marks = marks
        self._next = marks[_DELIVERED]
        self._over = threading.Event()

    def run(self, per_second: float | None, seconds: float) -> None:
        """Emit again what may be lost, then go on at the given rate."""
        self._emit(range(self._next, self._marks[_EMITTED]))
        for numbers in _paced(self._next, per_second, seconds):
            self._emit(numbers)
        self._over.set()

    def confirm(self) -> None:
        """Note again and again up to where Kafka has everything."""
        over = False
        while not over:
            over = self._over.wait(_CONFIRM_SECONDS)
            emitted = self._next
            if self._emitter.flush(_LAST_SECONDS):
                self._marks[_DELIVERED] = emitted

    def _emit(self, numbers: range) -> None:
        for number in numbers:
            for each in self._traffic.sent(number):
                event = self._traffic.event(each)
                while not self._emitter.emit(event):
                    sleep(_STEP_SECONDS)
                self._marks[_SENT] += 1
            self._next = number + 1
            self._marks[_EMITTED] = max(self._marks[_EMITTED], self._next)


def _paced(first: int, per_second: float | None, seconds: float) -> Iterator[range]:
    """Yield the numbers that are due, step by step; what is late is made up for."""
    began, done = monotonic(), first
    while (passed := monotonic() - began) < seconds:
        due = first + int(passed * per_second) if per_second else done + 1_000
        yield range(done, due)
        done = due
        if per_second:
            sleep(_STEP_SECONDS)
