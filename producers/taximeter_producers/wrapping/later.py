"""Does what takes its time after a call in a thread of its own: making its event.

Reading an answer takes a fraction of a millisecond, counting tokens some, loading a
tokenizer seconds, none of which the caller of an LLM need wait for. And what the
garbage collector finds, which may run in the middle of anything, is only handed over
here and finished in this thread.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final

from taximeter_producers import exits
from taximeter_producers.attribution import Attribution, attributing

__all__ = ["Later", "later"]

log = logging.getLogger(__name__)

_MOST_WAITING: Final = 1_000


class Later:
    """One daemon thread and what waits for it, in order.

    Args:
        gather_seconds: how long what comes first waits for more. Many small pieces of
            work one after the other take half of the time that each takes by itself,
            between other work that has filled the processor's caches.
    """

    def __init__(self, gather_seconds: float = 0) -> None:
        self._gather_seconds = gather_seconds
        self._hurried = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._waiting: SimpleQueue[Callable[[], object]] = SimpleQueue()

    def ready(self) -> None:
        """Have the thread run; not to be called by a finalizer, unlike `put`."""
        if self._thread is not None:
            return
        with self._lock:
            if self._thread is None:
                exits.watch(self, sigterm=False, makes_events=True)
                self._thread = threading.Thread(
                    target=self._run, name="taximeter-later", daemon=True
                )
                self._thread.start()

    def put(self, work: Callable[[], object]) -> None:
        """Have this done; may be called from anywhere, a finalizer included."""
        self._waiting.put(work)

    def take(self, work: Callable[[], object]) -> bool:
        """Have this done, or tell that its caller had better do it: too much waits."""
        if self.is_here() or self._waiting.qsize() >= _MOST_WAITING:
            return False
        self.ready()
        self.put(work)
        return True

    def is_here(self) -> bool:
        """Tell whether this is the thread that does what waits."""
        return self._thread is threading.current_thread()

    def drain(self, timeout: float | None = None) -> bool:
        """Wait until what was put so far is done; False if time ran out."""
        if self._waiting.empty() and self._thread is None:
            return True
        self.ready()
        done = threading.Event()
        self._waiting.put(done.set)
        self._hurried.set()
        return done.wait(timeout)

    def _run(self) -> None:
        # For nobody, and not for whom the call was that had the thread started.
        with attributing(Attribution()):
            self._work(self._waiting)

    def _work(self, waiting: SimpleQueue[Callable[[], object]]) -> None:
        while True:
            work = waiting.get()
            self._gather()
            _do(work)
            for _ in range(waiting.qsize()):  # nobody else takes any
                _do(waiting.get())

    def _gather(self) -> None:
        if self._gather_seconds:
            self._hurried.wait(self._gather_seconds)
            self._hurried.clear()

    def save(self, timeout: float | None = None) -> bool:
        """Do what waits, before the process ends."""
        return self.drain(timeout)

    def close(self, timeout: float | None = 10.0) -> bool:
        """Do what waits, before the process ends."""
        return self.drain(timeout)

    def before_fork(self) -> None:
        """Do nothing: the parent's thread goes on."""

    def after_fork(self) -> None:
        """Do nothing: the parent's thread goes on."""

    def start_over(self) -> None:
        """Begin with nothing and without a thread; what a forked child needs."""
        self._lock = threading.Lock()
        self._hurried = threading.Event()
        self._thread = None
        self._waiting = SimpleQueue()


def _do(work: Callable[[], object]) -> None:
    try:
        work()
    except Exception:
        log.exception("a call could not be recorded")


later: Final = Later()
