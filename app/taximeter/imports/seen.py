"""The ids that an import has met, on disk where they are many."""

from __future__ import annotations

import sqlite3
from types import TracebackType
from typing import Self
from uuid import UUID

__all__ = ["Seen"]


class Seen:
    """Remembers ids for as long as an import runs, in little memory.

    >>> with Seen() as seen:
    ...     [seen.first(UUID(int=n)) for n in (1, 2, 1)]
    [True, True, False]
    """

    def __init__(self) -> None:
        # A database without a name is a temporary file that SQLite removes by itself.
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("CREATE TABLE ids (id BLOB PRIMARY KEY) WITHOUT ROWID")
        self._database.execute("BEGIN")  # and never a commit: nobody else reads it

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._database.close()

    def first(self, event_id: UUID) -> bool:
        """Remember an id; return whether it was not known before."""
        query = "INSERT OR IGNORE INTO ids VALUES (?)"
        return self._database.execute(query, (event_id.bytes,)).rowcount == 1
