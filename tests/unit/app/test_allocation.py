"""Freed memory is kept, in a process of its own: it cannot be undone."""

from __future__ import annotations

import subprocess
import sys

from taximeter.allocation import keep_freed_memory

# How many blocks malloc has fetched from the system one by one (`hblks`), when one of
# 16 MB is in use, before the choice and after it.
_COUNTED = """
import ctypes
from taximeter.allocation import keep_freed_memory

class Info(ctypes.Structure):
    _fields_ = [(f"n{number}", ctypes.c_size_t) for number in range(10)]

libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Info
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]

def fetched():
    before = libc.mallinfo2().n3
    block = libc.malloc(ctypes.c_size_t(16 * 1024 * 1024))
    after = libc.mallinfo2().n3
    libc.free(block)
    return after - before

print(fetched(), keep_freed_memory(), fetched())
"""


def test_large_blocks_come_from_memory_that_is_kept() -> None:
    """And not from the system, one by one."""
    counted = subprocess.run(
        [sys.executable, "-c", _COUNTED], capture_output=True, check=True, text=True
    )
    assert counted.stdout.split() == ["1", "True", "0"]


def test_a_library_without_the_choice_is_left_alone() -> None:
    """Others than glibc: the sink works all the same."""
    assert not keep_freed_memory(object())
