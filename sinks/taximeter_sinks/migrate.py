"""The ledger's schema version: numbered SQL files, each applied once, in order.

A new step is a new file in `migrations/`; a file that has been released is never
changed. The version stands in the ledger itself, so an older Taximeter that meets a
newer ledger stops instead of writing what it does not understand.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import duckdb

from taximeter_schemas.errors import LedgerTooNew

__all__ = ["check_version", "known_version", "migrate", "schema_version"]


class _Migration(NamedTuple):
    version: int
    name: str
    sql: str


def _migrations() -> list[_Migration]:
    found = files("taximeter_sinks.migrations").iterdir()
    names = sorted(file.name for file in found if file.name.endswith(".sql"))
    folder = files("taximeter_sinks.migrations")
    return [
        _Migration(int(name.split("_")[0]), name, (folder / name).read_text("utf-8"))
        for name in names
    ]


def known_version() -> int:
    """Return the newest schema version that this Taximeter writes and reads."""
    return max(migration.version for migration in _migrations())


def schema_version(ledger: duckdb.DuckDBPyConnection) -> int:
    """Return the schema version of an open ledger; 0 if it is empty."""
    found = "SELECT 1 FROM duckdb_tables() WHERE table_name = 'schema_versions'"
    if not ledger.execute(found).fetchone():
        return 0
    newest = ledger.execute("SELECT max(version) FROM schema_versions").fetchone()
    return int(newest[0]) if newest and newest[0] is not None else 0


def check_version(path: Path, version: int) -> None:
    """Refuse a ledger whose schema is newer than what is known here.

    Raises:
        LedgerTooNew: if it is.
    """
    if version > known_version():
        raise LedgerTooNew(path, version, known_version())


def migrate(ledger: duckdb.DuckDBPyConnection, path: Path) -> int:
    """Bring a ledger to the newest version and return that; the second time is free.

    Each step and its number are one transaction: a crash leaves a whole version.

    Raises:
        LedgerTooNew: if the ledger is from a newer Taximeter.
    """
    version = schema_version(ledger)
    check_version(path, version)
    for migration in _migrations():
        if migration.version > version:
            _apply(ledger, migration)
    return known_version()


def _apply(ledger: duckdb.DuckDBPyConnection, migration: _Migration) -> None:
    ledger.execute("BEGIN")
    try:
        ledger.execute(
            "CREATE TABLE IF NOT EXISTS schema_versions "
            "(version INTEGER NOT NULL, name VARCHAR NOT NULL)"
        )
        ledger.execute(migration.sql)
        ledger.execute(
            "INSERT INTO schema_versions VALUES (?, ?)",
            [migration.version, migration.name],
        )
        ledger.execute("COMMIT")
    except duckdb.Error:
        ledger.execute("ROLLBACK")
        raise
