"""Child processes: none outlives its parent, and each is given time to end well."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

__all__ = ["die_with", "stopped"]

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)
_STOP_SECONDS = 15.0


def die_with(parent: int) -> Callable[[], None]:
    """Return what a child runs before its program, so that it dies with its parent.

    The kernel then kills the child when its parent ends, however that ended. Nothing
    is lost by it: every part is made to be killed at any moment.
    """
    return partial(_ask_to_die_with, parent)


def _ask_to_die_with(parent: int) -> None:
    if hasattr(_LIBC, "prctl"):
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:  # it ended before we could ask
        os._exit(1)


@contextmanager
def stopped(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Stop a process when the block ends: asked first, killed if it won't."""
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
