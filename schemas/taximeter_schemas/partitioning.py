"""Kafka's default partitioner, so that an id means the same partition to everyone."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import lru_cache
from struct import unpack_from
from typing import Final

__all__ = ["murmur2", "partition_of", "partitions_of"]

_M = 0x5BD1E995
_MASK = 0xFFFFFFFF
_SEED = 0x9747B28C
_FEWEST_AT_ONCE: Final = 8


def murmur2(data: bytes) -> int:
    """Return the 32-bit murmur2 hash that Kafka's Java client uses for keys.

    Source: `org.apache.kafka.common.utils.Utils.murmur2`; the values below are from
    its own unit test, read as unsigned.

    >>> murmur2(b"21") == -973932308 % 2**32
    True
    >>> murmur2(b"foobar") == -790332482 % 2**32
    True
    >>> murmur2(b"a-little-bit-long-string") == -985981536 % 2**32
    True
    """
    length = len(data)
    h = _SEED ^ length
    words = length // 4
    for k in unpack_from(f"<{words}I", data):
        mixed = k * _M & _MASK
        mixed = (mixed ^ mixed >> 24) * _M & _MASK
        h = (h * _M & _MASK) ^ mixed
    tail = data[words * 4 :]
    if tail:
        h = (h ^ int.from_bytes(tail, "little")) * _M & _MASK
    h = (h ^ h >> 13) * _M & _MASK
    return h ^ h >> 15


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of a key among this many, as Kafka's default rule does.

    >>> [partition_of(key, 4) for key in (b"alice", b"bob", b"carol")]
    [1, 2, 2]
    """
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def partitions_of(keys: Sequence[bytes], partitions: int) -> list[int]:
    """Return the partition of each key; much quicker than one by one for many.

    >>> partitions_of((b"alice", b"bob", b"carol"), 4)
    [1, 2, 2]
    """
    return [(found & 0x7FFFFFFF) % partitions for found in _murmur2_of_all(keys)]


def _murmur2_of_all(keys: Sequence[bytes]) -> list[int]:
    lengths = set(map(len, keys))
    alike = len(lengths) == 1 and not any(length % 4 for length in lengths)
    if not alike or len(keys) < _FEWEST_AT_ONCE or sys.byteorder != "little":
        return [murmur2(key) for key in keys]
    return _side_by_side(keys, *lengths)


def _side_by_side(keys: Sequence[bytes], length: int) -> list[int]:
    # Each key has a lane of 64 bits in one large integer. A product of two numbers of
    # 32 bits stays within its lane, so every step is taken for all keys at once.
    count = len(keys)
    low, low_8 = _in_each_lane(count, 32), _in_each_lane(count, 8)
    low_17, low_19 = _in_each_lane(count, 17), _in_each_lane(count, 19)
    words = memoryview(b"".join(keys)).cast("I")
    lanes = bytearray(8 * count)
    halves = memoryview(lanes).cast("I")[::2]
    h = _in_each_lane(count, 1) * (_SEED ^ length)
    for number in range(length // 4):
        halves[:] = words[number :: length // 4]
        mixed = int.from_bytes(lanes, "little") * _M & low
        mixed = (mixed ^ mixed >> 24 & low_8) * _M & low
        h = (h * _M & low) ^ mixed
    h = (h ^ h >> 13 & low_19) * _M & low
    h ^= h >> 15 & low_17
    return memoryview(h.to_bytes(8 * count, "little")).cast("I")[::2].tolist()


@lru_cache(maxsize=256)
def _in_each_lane(count: int, bits: int) -> int:
    one = int.from_bytes(b"\1\0\0\0\0\0\0\0" * count, "little")
    return one * ((1 << bits) - 1)
