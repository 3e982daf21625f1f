"""Sees to it that open emitters flush before their process ends, or fork cleanly.

Python runs `atexit` functions when a program ends by itself, but not when SIGTERM
ends it, which is how most services are stopped. So the first emitter that is made
in the main thread puts a handler in front of whatever SIGTERM did before. Nor does it
run them in the processes of pools, which say otherwise when they end (`pool_ends`).
"""

from __future__ import annotations

import atexit
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Final, Protocol

from taximeter_producers.pool_ends import at_pool_end, at_pool_end_of_child

__all__ = ["Unfinished", "forget", "watch"]

_FLUSH_SECONDS: Final = 10.0


class Unfinished(Protocol):
    """Something that holds events which would be lost with the process."""

    def save(self, timeout: float | None = None) -> bool:
        """Save what it holds."""
        ...

    def close(self, timeout: float | None = 10.0) -> bool:
        """Save what it holds and accept no more."""
        ...

    def before_fork(self) -> None:
        """Hold still."""
        ...

    def after_fork(self) -> None:
        """Go on, in the parent."""
        ...

    def start_over(self) -> None:
        """Forget what the parent process holds; called in a forked child."""
        ...


class _Watch:
    """The process-wide list; strong references, so an emitter lives until closed."""

    def __init__(self) -> None:
        self.unfinished: dict[int, Unfinished] = {}
        self.makers: set[int] = set()
        self.forking = threading.Lock()
        self.held: list[Unfinished] = []
        self.hooked = False
        self.sigterm_hooked = False
        self.previous: Callable[[int, FrameType | None], object] | int | None = None

    def hook(self) -> None:
        if not self.hooked:
            self.hooked = True
            atexit.register(self.close_all)
            at_pool_end(self.close_all)
            os.register_at_fork(
                before=self.before_fork,
                after_in_parent=self.after_fork,
                after_in_child=self.start_over,
            )

    def hook_sigterm(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        current = signal.getsignal(signal.SIGTERM)
        # Once only: a handler set later may call ours, which must not call it back.
        # None: set by something other than Python, which we could not call on.
        if self.sigterm_hooked or current in (None, signal.SIG_IGN):
            return
        self.sigterm_hooked = True
        self.previous = current
        signal.signal(signal.SIGTERM, self.on_sigterm)

    def on_sigterm(self, number: int, frame: FrameType | None) -> None:
        if callable(self.previous):
            for unfinished in self.in_order():
                unfinished.save(_FLUSH_SECONDS)
            self.previous(number, frame)
        elif self.previous == signal.SIG_DFL:
            self.close_all()
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    def close_all(self) -> None:
        for unfinished in self.in_order():
            unfinished.close(_FLUSH_SECONDS)

    def in_order(self) -> list[Unfinished]:
        """Return those that still make events before those that take them."""
        watched = list(self.unfinished.items())
        watched.sort(key=lambda item: item[0] not in self.makers)
        return [unfinished for _, unfinished in watched]

    def before_fork(self) -> None:
        self.forking.acquire()
        self.held = list(self.unfinished.values())
        for unfinished in self.held:
            unfinished.before_fork()

    def after_fork(self) -> None:
        for unfinished in self.held:
            unfinished.after_fork()
        self.forking.release()

    def start_over(self) -> None:
        self.forking = threading.Lock()
        at_pool_end_of_child(self, self.close_all)
        for unfinished in list(self.unfinished.values()):
            unfinished.start_over()


_watch: Final = _Watch()


def watch(unfinished: Unfinished, *, sigterm: bool, makes_events: bool = False) -> None:
    """Close this one when the process ends; on SIGTERM too, if asked to.

    The SIGTERM handler saves and then does what was done before it: calls the
    earlier handler, or lets the signal end the process. It can only be set from the
    main thread; elsewhere nothing is set and only a normal end flushes. What makes
    events is saved before what takes them.
    """
    _watch.hook()
    if sigterm:
        _watch.hook_sigterm()
    _watch.unfinished[id(unfinished)] = unfinished
    if makes_events:
        _watch.makers.add(id(unfinished))


def forget(unfinished: Unfinished) -> None:
    """Leave this one alone from now on: it is closed."""
    _watch.unfinished.pop(id(unfinished), None)
    _watch.makers.discard(id(unfinished))
