"""Logs of the `llm` tool, as it writes them itself, by a model that a test controls."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import llm
from llm.migrations import MIGRATIONS, ensure_migrations_table
from sqlite_utils import Database

__all__ = [
    "Saying",
    "SayingSoon",
    "an_empty_log",
    "an_old_log",
    "log_call",
    "old_response",
    "written",
]


class Saying(llm.Model):
    """A model that says what it is told to, and states such tokens."""

    can_stream = True

    def __init__(
        self,
        model_id: str = "gpt-4o",
        says: str = "Yes.",
        usage: tuple[int, int] | None = (1000, 200),
        details: Mapping[str, Any] | None = None,
    ) -> None:
        self.model_id = model_id
        self._says = says
        self._usage = usage
        self._details = details

    def execute(
        self,
        prompt: llm.Prompt,
        stream: bool,
        response: llm.Response,
        conversation: llm.Conversation | None,
    ) -> Iterator[str]:
        """Say it, word by word."""
        del prompt, stream, conversation
        yield from (f"{word} " for word in self._says.split())
        if self._usage is not None:
            sent, made = self._usage
            details = None if self._details is None else dict(self._details)
            response.set_usage(input=sent, output=made, details=details)


class SayingSoon(llm.AsyncModel):
    """The same, for who awaits it."""

    can_stream = True

    def __init__(self, model_id: str = "gpt-4o", says: str = "Yes.") -> None:
        self.model_id = model_id
        self._says = says

    async def execute(
        self,
        prompt: llm.Prompt,
        stream: bool,
        response: llm.AsyncResponse,
        conversation: llm.AsyncConversation | None,
    ) -> AsyncGenerator[str, None]:
        """Say it, word by word."""
        del prompt, stream, conversation
        for word in self._says.split():
            yield f"{word} "
        response.set_usage(input=1000, output=200)


def log_call(log: Path, model: Saying | None = None, prompt: str = "Is it?") -> str:
    """Make a call and have the tool log it; return its id."""
    if not log.exists():
        an_empty_log(log)
    response = (model or Saying()).conversation().prompt(prompt)
    response.text()
    with closing(sqlite3.connect(log)) as connection:
        log_to_db: Any = response.log_to_db
        log_to_db(Database(connection))
        connection.commit()
    return str(response.id)


def an_empty_log(log: Path) -> None:
    """Make a log as the tool makes it now, in less time than that takes on a disk."""
    log.write_bytes(_log_of(MIGRATIONS[-1].__name__))


def an_old_log(log: Path, migration: str) -> None:
    """Make a log as the tool made it when this was the last of its migrations."""
    log.write_bytes(_log_of(migration))


@cache
def _log_of(migration: str) -> bytes:
    last = next(n for n, s in enumerate(MIGRATIONS) if s.__name__ == migration)
    steps: Any = MIGRATIONS[: last + 1]
    # On disk each step would wait for it.
    with closing(sqlite3.connect(":memory:")) as connection:
        database = Database(connection)
        ensure: Any = ensure_migrations_table
        ensure(database)
        for step in steps:
            step(database)
            done = {"name": step.__name__, "applied_at": "then"}
            database.table("_llm_migrations").insert(done)
        connection.commit()
        return connection.serialize()


def old_response(
    log: Path, columns: Mapping[str, object], table: str = "responses"
) -> None:
    """Write one row of an old table."""
    written(
        log,
        f"INSERT INTO {table} ({', '.join(columns)}) "
        f"VALUES ({', '.join('?' * len(columns))})",
        *columns.values(),
    )


def written(log: Path, statement: str, *values: object) -> None:
    """Change a log behind the tool's back."""
    with closing(sqlite3.connect(log, isolation_level=None)) as connection:
        connection.execute(statement, values)
