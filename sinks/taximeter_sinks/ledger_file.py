"""Opening the ledger file: for its one writer, or for a moment's reading.

One process may have the file open for writing, and then no other may open it at all.
So the writer opens it once and serves it, and a reader of the file itself, while no
sink runs, holds it no longer than one query takes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import duckdb

from taximeter_schemas.errors import LedgerUnavailable
from taximeter_sinks.sql_text import sql_literal

__all__ = ["ROW_GROUP", "load_extension", "open_for_reading", "open_for_writing"]

_LOCK_PATIENCE_SECONDS: Final = 10.0
_LOCK_PAUSE_SECONDS: Final = 0.1
_LOCKED: Final = "Could not set lock"

# A checkpoint writes the last, unfilled stretch of every column anew. At DuckDB's own
# 16 MB that is half the cost of a row; the log is read back after a crash, so that it
# should not grow without need either.
_CHECKPOINT_AT: Final = "64MB"

# Two transactions of a group and a bit leave four groups where three would do. DuckDB's
# checkpoints merge up to a hundred such stretches, and so write nearly every row once
# more. One at a time is enough to clear away what was deleted.
_MERGED_A_CHECKPOINT: Final = 1

ROW_GROUP: Final = 20_480
"""How many rows the ledger's file keeps together; DuckDB's own number is 122,880.

Of a transaction with more rows than that the whole groups go straight to their place
and not into the log, and the last, unfilled group, which each checkpoint writes anew,
is a sixth as large: storing a row costs half as much (docs/adr/0017-row-groups.md).
"""

_Config = dict[str, str | bool | int | float | list[str]]

# Nothing is ever downloaded; extensions come with the wheels and are named one by one.
_OFFLINE: Final[_Config] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
}


def load_extension(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Load an extension from its wheel, straight from where the wheel lies.

    Raises:
        duckdb.Error: if the wheel is of another DuckDB version.
    """
    folder = files(f"duckdb_extension_{name}") / "extensions"
    file = folder / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
    connection.execute(f"LOAD {sql_literal(str(file))}")


def open_for_writing(
    path: Path, memory_limit: str, threads: int
) -> duckdb.DuckDBPyConnection:
    """Open (or create) the ledger file as its one writer.

    Waits some seconds for a reader that holds the file just now.

    Raises:
        LedgerUnavailable: if it cannot be opened for writing.
    """
    settings: _Config = {
        "memory_limit": memory_limit,
        "threads": threads,
        "checkpoint_threshold": _CHECKPOINT_AT,
        "max_vacuum_tasks": _MERGED_A_CHECKPOINT,
        "temp_directory": f"{path}.tmp",
    }
    deadline = time.monotonic() + _LOCK_PATIENCE_SECONDS
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return _in_small_groups(path, _OFFLINE | settings)
        except (duckdb.Error, OSError) as error:
            if _LOCKED not in str(error) or time.monotonic() > deadline:
                raise LedgerUnavailable(path, _reason(error)) from error
            time.sleep(_LOCK_PAUSE_SECONDS)


@contextmanager
def open_for_reading(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the ledger file for one query; it cannot be changed through this.

    Raises:
        LedgerUnavailable: if there is no file, or a sink that is not known of has it.
    """
    if not path.exists():
        raise LedgerUnavailable(path, "it does not exist yet; start 'taximeter up'")
    fenced: _Config = {"enable_external_access": False}
    try:
        ledger = _connected(path, _OFFLINE | fenced, read_only=True)
        ledger.execute("SET GLOBAL lock_configuration = true")
    except duckdb.Error as error:
        raise LedgerUnavailable(path, _reason(error)) from error
    try:
        yield ledger
    finally:
        ledger.close()


def _in_small_groups(path: Path, config: _Config) -> duckdb.DuckDBPyConnection:
    """Open a file for writing in groups of `ROW_GROUP`, under its usual name.

    DuckDB takes that number when a file is attached and at no other time, while every
    session begins in the file that was there first: so that one is replaced.
    """
    ledger = _begun_elsewhere(path.name, config)
    if ledger is None:
        return _connected(path, config)
    try:
        (name,) = ledger.execute("SELECT current_database()").fetchall()[0]
        quoted = name.replace('"', '""')
        ledger.execute(
            f"ATTACH OR REPLACE {sql_literal(str(path))} "
            f'AS "{quoted}" (ROW_GROUP_SIZE {ROW_GROUP})'
        )
    except BaseException:
        ledger.close()
        raise
    return ledger


def _begun_elsewhere(name: str, config: _Config) -> duckdb.DuckDBPyConnection | None:
    """Return a session in an empty file of a name, if a disk has room for one."""
    with suppress(OSError, duckdb.IOException), TemporaryDirectory() as away:
        return _connected(Path(away) / name, config)
    return None


def _connected(
    path: Path, config: _Config, *, read_only: bool = False
) -> duckdb.DuckDBPyConnection:
    ledger = duckdb.connect(str(path), read_only=read_only, config=config)
    ledger.execute("SET GLOBAL TimeZone = 'UTC'")
    return ledger


def _reason(error: Exception) -> str:
    if _LOCKED in str(error):
        return "another process has it open; stop that one first"
    return str(error).splitlines()[0]
