"""What a process does with freed memory, which glibc gives back too eagerly."""

from __future__ import annotations

import ctypes
from typing import Final

__all__ = ["keep_freed_memory"]

_LIBC: Final = ctypes.CDLL(None)

# Choices of `mallopt(3)` by their numbers. Blocks larger than this are given back at
# once (it takes no larger number), and of what is free at the end all but so much.
_MMAP_THRESHOLD: Final = -3, 32 * 1024 * 1024
_TRIM_THRESHOLD: Final = -1, 256 * 1024 * 1024


def keep_freed_memory(libc: object = _LIBC) -> bool:
    """Let freed memory be used again, instead of fetching it from the system anew.

    The system clears each page that it hands out. For a process that fills and frees
    memory all the time, as the sink does, that is about a tenth of its processor time
    (docs/performance.md); it stays larger for it, by 256 MiB at most for each of
    glibc's arenas.

    Returns:
        False where the C library has no such choice; everything works all the same.
    """
    choose = getattr(libc, "mallopt", None)
    if choose is None:
        return False
    return all(choose(*choice) for choice in (_MMAP_THRESHOLD, _TRIM_THRESHOLD))
