"""Conversations by their names, which the tool's log has and the ledger has not."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any, Final

from taximeter.llm_costs.home import Home

__all__ = ["names_of", "with_names"]

_TABLES: Final = ("conversations", "threads")
_AT_ONCE: Final = 500


def with_names(home: Home, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return rows about conversations with the names that are known."""
    names = names_of(home, [str(row["conversation"]) for row in rows])
    return [
        {
            "conversation": row["conversation"],
            "name": names.get(str(row["conversation"])),
            **row,
        }
        for row in rows
    ]


def names_of(home: Home, ids: Sequence[str]) -> dict[str, str]:
    """Return the names of conversations, as far as the log has any."""
    if not ids or not home.logs_db.exists():
        return {}
    names: dict[str, str] = {}
    uri = f"{home.logs_db.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as log:
        for table in _TABLES:
            names |= _in_table(log, table, ids[:_AT_ONCE])
    return names


def _in_table(
    log: sqlite3.Connection, table: str, ids: Sequence[str]
) -> dict[str, str]:
    if not log.execute(f"PRAGMA table_info({table})").fetchall():
        return {}
    places = ", ".join("?" * len(ids))
    query = f"SELECT id, name FROM {table} WHERE id IN ({places})"  # noqa: S608
    return {str(id_): name for id_, name in log.execute(query, ids) if name}
