"""Prints once when the program ends, and never breaks its end."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
from collections.abc import Callable

__all__ = ["print_at_exit"]


def print_at_exit(text: Callable[[], str]) -> None:
    """Print a text, if there is any, when this process ends; not in forked children."""
    process = os.getpid()

    def last() -> None:
        if os.getpid() == process:
            with contextlib.suppress(Exception):
                _write(text())

    atexit.register(last)


def _write(text: str) -> None:
    out = sys.stdout
    if not text or out is None:
        return
    encoding = getattr(out, "encoding", None) or "utf-8"
    line = text.encode(encoding, "backslashreplace").decode(encoding)
    try:
        print(line, file=out, flush=True)
    except BrokenPipeError:
        # Nobody reads any more. Python's own flush at its end would fail as well,
        # and make of that the program's exit code.
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
