"""One file of a spool: encoded events in the order in which they were written. SQLite.

Rows are only ever added. What Kafka has is not deleted row by row, which would cost
the callers of `emit` milliseconds; the file remembers up to which row it is done,
and is deleted whole. So a file is short-lived: `SpoolFile.full` says when the next
one is due.

While a file grows it is in WAL mode without checkpoints: a commit is one write and no
fsync, which survives any death of the process. `sync` makes it survive a power cut.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

__all__ = ["ROW_BYTES", "SpoolFile", "Stored", "is_corrupt", "put_aside", "size_of"]

ROW_BYTES: Final = 32
"""What a row takes on disk beside the event itself."""

_FULL_BYTES: Final = 16 * 1024 * 1024
_BUSY_SECONDS: Final = 1.0
_PAGE_BYTES: Final = 2048
_WAL_HEADER_BYTES: Final = 32
_FRAME_BYTES: Final = 24 + _PAGE_BYTES
_SIDES: Final = ("", "-wal", "-shm")
_CORRUPT: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

# Small pages: a commit writes the whole page that its row stands in.
_SETTINGS: Final = f"""
PRAGMA page_size = {_PAGE_BYTES};
PRAGMA journal_mode = WAL;
PRAGMA wal_autocheckpoint = 0;
PRAGMA synchronous = NORMAL;
"""
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY, added_ms INTEGER NOT NULL, event BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS progress (one INTEGER PRIMARY KEY, done INTEGER NOT NULL);
INSERT OR IGNORE INTO progress VALUES (1, 0);
"""
_WAITING: Final = """
SELECT done, coalesce(max(seq), done), coalesce(sum(length(event)), 0)
FROM progress LEFT JOIN events ON seq > done
"""
_NEXT: Final = "SELECT seq, added_ms, event FROM events WHERE seq > ? ORDER BY seq"


class Stored(NamedTuple):
    """One event as it stands in a file; `seq` counts from 1 in each file."""

    seq: int
    added_ms: int
    encoded: bytes


class SpoolFile:
    """A file, and how far it has been written, read and done with.

    `append` and `remember` are called under the lock of those who write, all else by
    the one thread that sends. Every method may raise `sqlite3.Error` or `OSError`.

    Args:
        path: of a file that exists, or is made here.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self.done, self.last, event_bytes = self._look()
        self.read_to = self.done
        # Each of these counts has one thread, or one lock, that changes it.
        self.bytes_in = event_bytes + self.waiting * ROW_BYTES
        self.bytes_read = 0
        self.bytes_done = 0
        self.sealed = False
        self.gone = False
        self._synced = self.last

    @property
    def waiting(self) -> int:
        """Events that Kafka is not known to have."""
        # Below 0 where one is on disk and sent already, and not counted here yet.
        return max(0, self.last - self.done)

    @property
    def waiting_bytes(self) -> int:
        """What they count against the limit."""
        return self.bytes_in - self.bytes_done

    @property
    def unread(self) -> int:
        """Events that have not been read since the file was opened."""
        return self.last - self.read_to

    @property
    def full(self) -> bool:
        """Whether the next events should go into another file."""
        return _wal_bytes(self.path) >= _FULL_BYTES

    @property
    def connections(self) -> list[object]:
        """What must be neither used nor closed in a forked child."""
        return [self._reader, self._writer]

    def append(self, encoded: Sequence[bytes], added_ms: int) -> None:
        """Write these events, all or none; they survive this process from here on.

        It is one call into SQLite, so that no signal handler comes in between.
        """
        values = [value for event in encoded for value in (added_ms, event)]
        written = self._writing().execute(_insert(len(encoded)), values)
        self.last = max(self.last, written.lastrowid or 0)
        self.bytes_in += size_of(encoded)

    def read(self, most: int, most_bytes: int) -> list[Stored]:
        """Return the next events, oldest first, and go on behind them next time."""
        found: list[Stored] = []
        size_bytes = 0
        for row in self._reading().execute(f"{_NEXT} LIMIT {most}", (self.read_to,)):
            found.append(Stored(*row))
            size_bytes += len(found[-1].encoded) + ROW_BYTES
            if size_bytes >= most_bytes:
                break
        self.read_to = found[-1].seq if found else self.read_to
        self.bytes_read += size_bytes
        return found

    def mark_done(self, seq: int, size_bytes: int) -> None:
        """Take note that Kafka has the events up to this one, of this size."""
        self.done = seq
        self.bytes_done += size_bytes

    def remember(self) -> None:
        """Write down how far the file is done with."""
        # A sealed file gets no more events: with nothing left, it is deleted.
        if not self.gone and (self.waiting or not self.sealed):
            self._writing().execute("UPDATE progress SET done = ?", (self.done,))

    def put_aside(self) -> Path:
        """Keep a file that cannot be read under another name; return that."""
        self.gone = True
        self.seal()
        return put_aside(self.path)

    def give_up_unread(self) -> tuple[int, int]:
        """Forget what cannot be read; return how many events and bytes that is."""
        given_up = self.unread, self.bytes_in - self.bytes_read
        self.last, self.bytes_in = self.read_to, self.bytes_read
        return given_up

    def sync(self) -> None:
        """Let what waits survive a power cut, if it has waited since the last call."""
        if self._writer is not None and self.done < self._synced:
            _fsync(_side(self.path, "-wal"))
            _fsync(self.path.parent)
        self._synced = self.last

    def seal(self) -> None:
        """Bring the file into its compact form; whoever needs it opens it again."""
        for connection in (self._reader, self._writer):
            if connection is not None:
                connection.close()
        self._reader = self._writer = None
        self.sealed = True

    def discard(self) -> None:
        """Delete the file, if it is there."""
        if self.gone:
            return
        if self._writer is not None:
            # Closing writes everything into the file once more: not to the disk.
            self._writer.execute("PRAGMA synchronous = OFF")
        for side in _SIDES:
            _side(self.path, side).unlink(missing_ok=True)
        self.seal()

    def _look(self) -> tuple[int, int, int]:
        try:
            self.unreadable_bytes = self._unreadable_bytes()
            if self.unreadable_bytes:
                keep = _side(_aside(self.path), "-wal")
                shutil.copyfile(_side(self.path, "-wal"), keep)
            self._writing().executescript(_TABLES)
            done, last, event_bytes = self._writing().execute(_WAITING).fetchone()
        except BaseException:
            self.seal()
            raise
        return int(done), int(last), int(event_bytes)

    def _unreadable_bytes(self) -> int:
        written = _wal_bytes(self.path)
        if not written:
            return 0
        # SQLite leaves out, without a word, what follows the first damage in a WAL.
        _, frames, _ = self._writing().execute("PRAGMA wal_checkpoint").fetchone()
        return written - _WAL_HEADER_BYTES - max(0, int(frames)) * _FRAME_BYTES

    def _writing(self) -> sqlite3.Connection:
        if self._writer is None:
            self._writer = _connect(self.path)
        return self._writer

    def _reading(self) -> sqlite3.Connection:
        if self._reader is None:
            self._reader = _connect(self.path)
        return self._reader


def size_of(encoded: Sequence[bytes]) -> int:
    """Return what these events count against a spool's limit.

    >>> size_of([b"{}", b"{}"])
    68
    """
    return sum(map(len, encoded)) + len(encoded) * ROW_BYTES


def is_corrupt(error: BaseException) -> bool:
    """Tell whether SQLite says that the file itself is broken."""
    # An extended code carries the plain one in its last byte.
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _CORRUPT


def put_aside(path: Path) -> Path:
    """Rename a file that cannot be read, so that nobody tries again."""
    aside = _aside(path)
    for side in _SIDES:
        if _side(path, side).exists():
            _side(path, side).replace(_side(aside, side))
    return aside


def _aside(path: Path) -> Path:
    return path.with_name(f"{path.name}.corrupt")


def _side(path: Path, side: str) -> Path:
    return path.with_name(path.name + side)


def _wal_bytes(path: Path) -> int:
    try:
        return _side(path, "-wal").stat().st_size
    except FileNotFoundError:
        return 0


def _fsync(path: Path) -> None:
    # Never of the file itself: closing it would take away SQLite's own locks on it.
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, _BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        connection.executescript(_SETTINGS)
    except BaseException:
        connection.close()
        raise
    return connection


@lru_cache(maxsize=64)
def _insert(rows: int) -> str:
    places = ",".join(["(?,?)"] * rows)
    return f"INSERT INTO events (added_ms, event) VALUES {places}"  # noqa: S608
