"""Kafka's default partitioner, so that an id means the same partition to everyone."""

from __future__ import annotations

from struct import unpack_from

__all__ = ["murmur2", "partition_of"]

_M = 0x5BD1E995
_MASK = 0xFFFFFFFF
_SEED = 0x9747B28C


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
