"""Rows of one partition: those written lately in memory, all others on disk.

Spend is kept by windows of event time, so a row is written again for a quarter of an
hour and then hardly ever; a worker that kept them all in memory would grow for as long
as it ran. The disk is a cache: what counts is the changelog, so nothing on it has to
survive the process.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, Protocol

__all__ = ["Rows", "StoredRows"]

_MOST_IN_MEMORY: Final = 150_000
_CACHE_KIB: Final = 4 * 1024


class Rows(Protocol):
    """Keys and values, to be looked up; a dictionary is such a thing."""

    def get(self, key: bytes, /) -> bytes | None:
        """Return a value, None if there is none."""
        ...

    def items(self) -> Iterable[tuple[bytes, bytes]]:
        """Yield every key once, with its value."""
        ...


class StoredRows:
    """The rows of one partition, as they were last flushed.

    Args:
        most_in_memory: beyond this, a fifth moves to disk, the longest there first.

    >>> rows = StoredRows(most_in_memory=2)
    >>> rows.put([(b"a", b"1"), (b"b", b"2"), (b"c", b"3")])
    >>> rows.put([(b"a", b"4")])
    >>> rows.get(b"a"), rows.get(b"b"), rows.get(b"z"), rows.in_memory
    (b'4', b'2', None, 2)
    >>> sorted(rows.items())
    [(b'a', b'4'), (b'b', b'2'), (b'c', b'3')]
    """

    def __init__(self, most_in_memory: int = _MOST_IN_MEMORY) -> None:
        self._most = most_in_memory
        self._recent: dict[bytes, bytes] = {}
        self._moved = 0
        # An empty name is a file of SQLite's own, gone when it is closed, and not even
        # made while everything fits into the cache.
        self._disk = sqlite3.connect("", isolation_level=None)
        self._disk.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._disk.execute("PRAGMA journal_mode = OFF")
        self._disk.execute("CREATE TABLE r (k BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID")

    @property
    def in_memory(self) -> int:
        """How many rows are in memory."""
        return len(self._recent)

    def __len__(self) -> int:
        """Say about how many rows there are: one written late counts again."""
        return len(self._recent) + self._moved

    def get(self, key: bytes, /) -> bytes | None:
        """Return a value, None if there is none."""
        value = self._recent.get(key)
        if value is None and self._moved:
            found = self._disk.execute("SELECT v FROM r WHERE k = ?", (key,)).fetchone()
            return None if found is None else found[0]
        return value

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield every key once, with its value; nothing may be put meanwhile."""
        yield from self._recent.items()
        for key, value in self._disk.execute("SELECT k, v FROM r"):
            if key not in self._recent:
                yield key, value

    def put(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """Write rows, over what stood there."""
        self._recent.update(rows)
        while len(self._recent) > self._most:
            self._move(max(1, self._most // 5))

    def discard(self, key: bytes) -> None:
        """Let a row be gone, if there is one."""
        self._recent.pop(key, None)
        if self._moved:
            self._disk.execute("DELETE FROM r WHERE k = ?", (key,))

    def close(self) -> None:
        """Give the disk space back."""
        self._recent.clear()
        self._disk.close()

    def _move(self, count: int) -> None:
        oldest = list(islice(self._recent.items(), count))
        self._disk.execute("BEGIN")
        self._disk.executemany("REPLACE INTO r VALUES (?, ?)", oldest)
        self._disk.execute("COMMIT")
        for key, _ in oldest:
            del self._recent[key]
        self._moved += count
