"""What the plugin notes of each call that it saw: whom it was for, and its tokens.

The tool's log has no project and no tags, and with `llm -n` or `llm logs off` it has no
call at all. Only the standard library: it is written to in the middle of a call.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from taximeter.llm_costs.for_whom import ForWhom
from taximeter.llm_costs.logs_db import LoggedCall

__all__ = ["TABLE", "Noted", "note", "read_noted"]

TABLE: Final = "noted"
_PATIENCE_SECONDS: Final = 10.0

# A number is never given out twice, so that whoever has read up to one has read all.
_MAKE: Final = """
CREATE TABLE IF NOT EXISTS noted (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL, model TEXT NOT NULL, resolved_model TEXT, conversation_id TEXT,
    datetime_utc TEXT NOT NULL, duration_ms INTEGER, input_tokens INTEGER,
    output_tokens INTEGER, token_details TEXT, asked_bytes INTEGER NOT NULL,
    answered_bytes INTEGER NOT NULL, error_type TEXT,
    project TEXT NOT NULL, tags TEXT NOT NULL
)
"""
_COLUMNS: Final = (
    "id, model, resolved_model, conversation_id, datetime_utc, duration_ms, "
    "input_tokens, output_tokens, token_details, asked_bytes, answered_bytes, "
    "error_type, project, tags"
)


class Noted(NamedTuple):
    """A call, and whom it was for."""

    call: LoggedCall
    for_whom: ForWhom


def note(path: Path, noted: Noted) -> None:
    """Write a call down, in one transaction.

    Raises:
        sqlite3.Error: it could not be written.
    """
    call, whom = noted
    row = (
        *(call.id, call.model, call.resolved_model, call.conversation_id),
        *(call.occurred_at.isoformat(), call.duration_ms, call.input_tokens),
        *(call.output_tokens, _written(call.token_details), call.asked_bytes),
        *(call.answered_bytes, call.error_type, whom.project_id),
        json.dumps(dict(whom.tags)),
    )
    with closing(sqlite3.connect(path, timeout=_PATIENCE_SECONDS)) as file, file:
        file.execute(_MAKE)
        places = ", ".join("?" * len(row))
        file.execute(f"INSERT INTO noted ({_COLUMNS}) VALUES ({places})", row)  # noqa: S608


def read_noted(path: Path, after: int = 0) -> Iterator[Noted]:
    """Yield the calls that were noted, in their order, behind a place."""
    if not path.exists():
        return
    with closing(sqlite3.connect(path, timeout=_PATIENCE_SECONDS)) as file:
        file.row_factory = sqlite3.Row
        query = f"SELECT place, {_COLUMNS} FROM noted WHERE place > ? ORDER BY place"  # noqa: S608
        yield from (_read(row) for row in file.execute(query, (after,)).fetchall())


def _read(row: sqlite3.Row) -> Noted:
    said = dict(row)
    whom = ForWhom(said.pop("project"), json.loads(said.pop("tags")))
    call = LoggedCall(
        table=TABLE,
        rowid=said.pop("place"),
        occurred_at=datetime.fromisoformat(said.pop("datetime_utc")),
        token_details=json.loads(said.pop("token_details") or "null"),
        **said,
    )
    return Noted(call, whom)


def _written(details: object) -> str | None:
    return json.dumps(details, default=str) if details else None
