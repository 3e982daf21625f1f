"""Ledgers as earlier releases left them behind."""

from __future__ import annotations

from importlib.resources import files

import duckdb

__all__ = ["KEPT_BY_VERSION_1", "as_of"]

KEPT_BY_VERSION_1 = (
    "INSERT INTO dead_letters VALUES "
    "('usage:0:7', 'not_json', '?', 'usage', 0, 7, NULL, now(), 'x'::BLOB), "
    "('usage:0:8', 'not_json', '?', 'usage', 0, 8, 2, now(), 'y'::BLOB)"
)
"""Two dead letters, as the first release wrote them."""


def as_of(version: int, ledger: duckdb.DuckDBPyConnection) -> None:
    """Make the tables of this version in an empty ledger."""
    folder = files("taximeter_sinks.migrations")
    names = sorted(file.name for file in folder.iterdir() if file.name.endswith("sql"))
    ledger.execute("CREATE TABLE schema_versions (version INTEGER, name VARCHAR)")
    for number, name in enumerate(names[:version], 1):
        ledger.execute((folder / name).read_text("utf-8"))
        ledger.execute("INSERT INTO schema_versions VALUES (?, ?)", [number, name])
