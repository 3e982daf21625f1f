"""Reads what the `llm` tool has logged of its calls, from its `logs.db`.

Only the standard library, and no prices: rows go out as they were logged, without a
prompt or an answer, of which only the length is read. The tool has kept its log in
several tables over the years; a file has any of them, with any of their columns.

    for row in read_logged(Path("logs.db"), {"turns": 120}):
        ...

A table is read in rowid order, which is the order in which its rows were committed:
the tool's ids are made when a call begins, so a long call has an early id and a late
row. Rows are read a thousand at a time, so that a tool that is writing hardly waits.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from taximeter_schemas.errors import ConfigurationError

__all__ = ["TABLES", "LoggedCall", "UnreadableRow", "call_at", "read_logged"]

TABLES: Final = ("turns", "responses", "logs", "log")
"""The tables that calls have been logged in, the newest first."""

_BATCH: Final = 1_000
_PATIENCE_SECONDS: Final = 10.0

_CALL: Final = {
    "id": ("id",),
    "model": ("model",),
    "resolved_model": ("resolved_model",),
    "conversation_id": ("thread_id", "conversation_id", "chat_id"),
    "occurred_at": ("datetime_utc", "timestamp_utc", "timestamp"),
    "duration_ms": ("duration_ms",),
    "input_tokens": ("input_tokens",),
    "output_tokens": ("output_tokens",),
    "token_details": ("token_details",),
}
"""What is read of a call, with the columns that have had it."""

_ASKED: Final = ("prompt", "system")
_ANSWERED: Final = ("response",)

# Of a turn the log has the last message of its chain; what was asked are all before it.
_CHAIN_LENGTH: Final = """
(WITH RECURSIVE chain(hash) AS (
    SELECT {tip}
    UNION ALL
    SELECT m.parent_hash FROM messages AS m JOIN chain ON m.hash = chain.hash
    WHERE m.parent_hash IS NOT NULL AND m.parent_hash IS NOT {end}
) SELECT sum(coalesce(length(cast(p.text AS BLOB)), 0) + coalesce((
    SELECT sum(length(cast(f.content AS BLOB))) FROM fragments AS f
    JOIN part_fragments AS pf ON pf.fragment_id = f.id WHERE pf.part_id = p.id
  ), 0)) FROM chain JOIN parts AS p ON p.message_hash = chain.hash)
"""


@dataclass(frozen=True)
class LoggedCall:
    """One call, as the tool logged it.

    `asked_bytes` and `answered_bytes` are how long its texts are, in UTF-8: by them
    tokens can be estimated where the log states none. A call of the two oldest tables
    has a number for an id.
    """

    table: str
    rowid: int
    id: str
    model: str
    occurred_at: datetime
    resolved_model: str | None = None
    conversation_id: str | None = None
    duration_ms: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    token_details: Mapping[str, object] | None = None
    asked_bytes: int = 0
    answered_bytes: int = 0
    error_type: str | None = None


@dataclass(frozen=True)
class UnreadableRow:
    """A row that says too little to be a call, and what is wrong with it."""

    table: str
    rowid: int
    reason: str


def read_logged(
    path: Path, after: Mapping[str, int] | None = None
) -> Iterator[LoggedCall | UnreadableRow]:
    """Yield the logged calls, table by table, each in the order of its rows.

    Args:
        path: the log; while the tool writes to it is as good a time as any.
        after: for each table the rowid up to which it is known already.

    Raises:
        ConfigurationError: there is no such file, or it is no log of the tool's.
    """
    known = after or {}
    with closing(_opened(path)) as log:
        for table in TABLES:
            try:
                yield from _of_table(log, table, known.get(table, 0))
            except sqlite3.Error as error:
                raise _unusable(path, error) from error


def call_at(path: Path, table: str, rowid: int) -> LoggedCall | None:
    """Return the call in one row, None if there is none.

    SQLite gives the number of a deleted row out again, and VACUUM may move rows:
    whoever has noted how far he has read can tell by this whether that still holds.
    """
    with closing(_opened(path)) as log:
        try:
            found = next(_of_table(log, table, rowid - 1), None)
        except sqlite3.Error as error:
            raise _unusable(path, error) from error
    if not isinstance(found, LoggedCall) or found.rowid != rowid:
        return None
    return found


def _opened(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        raise ConfigurationError(
            f"there is no log at {path}: 'llm logs path' says where yours is"
        )
    uri = f"{path.absolute().as_uri()}?mode=ro"
    log = sqlite3.connect(uri, uri=True, timeout=_PATIENCE_SECONDS)
    log.row_factory = sqlite3.Row
    return log


def _unusable(path: Path, error: sqlite3.Error) -> ConfigurationError:
    return ConfigurationError(
        f"cannot read {path} ({error}): is it the log of the llm tool?"
    )


def _columns(log: sqlite3.Connection, table: str) -> set[str]:
    found = log.execute(f"PRAGMA table_info({table})").fetchall()
    return {row["name"] for row in found}


def _of_table(
    log: sqlite3.Connection, table: str, after: int
) -> Iterator[LoggedCall | UnreadableRow]:
    columns = _columns(log, table)
    if not columns:
        return
    query = _query(table, columns)
    while rows := log.execute(query, (after, _BATCH)).fetchall():
        after = rows[-1]["place"]
        yield from (_read(table, row) for row in rows)


def _query(table: str, columns: set[str]) -> str:
    """Return the SQL for some rows of a table, with NULL for what it does not have."""
    chosen = [
        f"{next((name for name in names if name in columns), 'NULL')} AS {field}"
        for field, names in _CALL.items()
    ]
    asked, answered = _lengths(columns)
    return (
        f"SELECT rowid AS place, {', '.join(chosen)}, "  # noqa: S608
        f"{asked} AS asked_bytes, {answered} AS answered_bytes "
        f"FROM {table} AS t WHERE rowid > ? ORDER BY rowid LIMIT ?"
    )


def _lengths(columns: set[str]) -> tuple[str, str]:
    """Return how long the texts of a call are, where that will be needed."""
    if "tip_message_hash" in columns:
        asked = _CHAIN_LENGTH.format(tip="t.parent_message_hash", end="NULL")
        answered = _CHAIN_LENGTH.format(
            tip="t.tip_message_hash", end="t.parent_message_hash"
        )
        return _if_unstated(asked), _if_unstated(answered)
    return _length(columns, _ASKED), _length(columns, _ANSWERED)


def _if_unstated(length: str) -> str:
    # It is read along a chain of messages: only for those who need it.
    return (
        f"CASE WHEN t.input_tokens IS NULL OR t.output_tokens IS NULL THEN {length} END"
    )


def _length(columns: set[str], names: tuple[str, ...]) -> str:
    each = [
        f"coalesce(length(cast(t.{name} AS BLOB)), 0)"
        for name in names
        if name in columns
    ]
    return " + ".join(each) or "0"


def _read(table: str, row: sqlite3.Row) -> LoggedCall | UnreadableRow:
    fields = dict(row)
    place = fields.pop("place")
    try:
        return LoggedCall(
            table=table,
            rowid=place,
            id=str(fields.pop("id") or place),
            model=_model(fields.pop("model")),
            occurred_at=_moment(fields.pop("occurred_at")),
            conversation_id=_text(fields.pop("conversation_id")),
            token_details=_details(fields.pop("token_details")),
            asked_bytes=fields.pop("asked_bytes") or 0,
            answered_bytes=fields.pop("answered_bytes") or 0,
            **fields,
        )
    except ValueError as error:
        return UnreadableRow(table, place, str(error))


def _model(name: object) -> str:
    if not name:
        raise ValueError("it names no model")
    return str(name)


def _moment(written: object) -> datetime:
    """Return a moment; the tool writes UTC, with its offset or without it."""
    try:
        moment = datetime.fromisoformat(str(written))
    except ValueError:
        raise ValueError(f"{written!r} is no date and time") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _details(written: str | None) -> Mapping[str, object] | None:
    if not written:
        return None
    try:
        found: object = json.loads(written)
    except ValueError:
        raise ValueError("its token_details are no JSON") from None
    return found if isinstance(found, dict) else None
