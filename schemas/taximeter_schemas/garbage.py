"""Holding Python's garbage collector back where it finds nothing and takes long."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager

__all__ = ["no_garbage_collection"]


@contextmanager
def no_garbage_collection() -> Generator[None]:
    """Hold the collector back for the whole process; what has no cycles goes as ever.

    For stretches in which tens of thousands of objects come and go that hold no cycles:
    the collector looks through all of them again and again, and finds nothing.

    >>> with no_garbage_collection():
    ...     gc.isenabled()
    False
    >>> gc.isenabled()
    True
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
