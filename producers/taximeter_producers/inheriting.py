"""Lets threads and thread pools inherit whom calls are for, as tasks do by themselves.

While a meter runs, a thread that is started, and work that is submitted to a pool of
threads or of processes, take the attribution of whoever starts or submits it along, and
nothing else of its context.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any, Final

from taximeter_producers.attribution import (
    Attribution,
    attributing,
    current_attribution,
)

__all__ = ["inherit", "no_longer"]

_NOBODY: Final = Attribution()
_replaced: Final[dict[tuple[type, str], tuple[Any, Any]]] = {}


def inherit() -> None:
    """Have them inherit from now on; a second time changes nothing."""
    if not _replaced:
        _replace(threading.Thread, "start", _start)
        _replace(ThreadPoolExecutor, "submit", _submit)
        _replace(ProcessPoolExecutor, "submit", _submit_to_process)


def no_longer() -> None:
    """Take that back, where nobody else has put something in front of it since."""
    while _replaced:
        (kind, method), (original, ours) = _replaced.popitem()
        if getattr(kind, method) is ours:
            setattr(kind, method, original)


def _replace(kind: type, method: str, make: Callable[[Any], Any]) -> None:
    original = getattr(kind, method)
    ours = functools.wraps(original)(make(original))
    _replaced[kind, method] = (original, ours)
    setattr(kind, method, ours)


def _start(original: Callable[..., None]) -> Callable[..., None]:
    def start(self: threading.Thread) -> None:
        by, run = current_attribution(), self.run

        def attributed() -> None:
            del self.run  # back to its class's own
            with attributing(by):
                run()

        if by != _NOBODY:
            self.run = attributed  # type: ignore[method-assign]
        original(self)

    return start


def _submit(original: Callable[..., Any]) -> Callable[..., Any]:
    def submit(
        self: ThreadPoolExecutor,
        fn: Callable[..., Any],
        /,
        *args: object,
        **kwargs: object,
    ) -> object:
        by = current_attribution()

        # Also for nobody: the pool's thread may have been started for somebody.
        @functools.wraps(fn)
        def attributed(*args: object, **kwargs: object) -> object:
            with attributing(by):
                return fn(*args, **kwargs)

        return original(self, attributed, *args, **kwargs)

    return submit


def _submit_to_process(original: Callable[..., Any]) -> Callable[..., Any]:
    def submit(
        self: ProcessPoolExecutor,
        fn: Callable[..., Any],
        /,
        *args: object,
        **kwargs: object,
    ) -> object:
        said = current_attribution().as_plain()
        return original(self, _in_process, said, fn, *args, **kwargs)

    return submit


def _in_process(
    said: dict[str, Any], fn: Callable[..., Any], /, *args: object, **kwargs: object
) -> object:
    """Do a piece of work in a pool's process, which may have been forked for others."""
    with attributing(Attribution(**said)):
        return fn(*args, **kwargs)
