"""The ledger's file as its one writer opens it."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from taximeter_sinks.ledger_file import ROW_GROUP, open_for_reading, open_for_writing


def _written(path: Path, first: int, rows: int) -> None:
    ledger = open_for_writing(path, "512MB", 2)
    ledger.execute("CREATE TABLE IF NOT EXISTS numbers (n BIGINT)")
    ledger.execute(f"INSERT INTO numbers FROM range({first}, {first + rows})")
    ledger.close()


def _read(path: Path, query: str) -> list[tuple[int, ...]]:
    with open_for_reading(path) as ledger:
        return ledger.execute(query).fetchall()


def _groups(path: Path) -> list[int]:
    counts = "SELECT max(count) FROM pragma_storage_info('numbers')"
    found = _read(path, f"{counts} GROUP BY row_group_id ORDER BY row_group_id")
    return [count for (count,) in found]


@pytest.mark.parametrize("name", ["ledger.duckdb", 'it\'s "a" ledger.duckdb'])
def test_rows_are_kept_in_small_groups(tmp_path: Path, name: str) -> None:
    """However many a transaction writes; the file is all that is left behind."""
    path = tmp_path / name
    _written(path, 0, 3 * ROW_GROUP)
    assert _groups(path) == [ROW_GROUP] * 3
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_with_large_groups_goes_on_in_small_ones(tmp_path: Path) -> None:
    """What a version before has written stays as it is, and counts."""
    path = tmp_path / "ledger.duckdb"
    with duckdb.connect(str(path)) as older:
        older.execute("CREATE TABLE numbers AS SELECT n FROM range(50_000) all_of(n)")
    _written(path, 50_000, 10)
    _written(path, 50_010, 2 * ROW_GROUP)
    rows = 50_010 + 2 * ROW_GROUP
    found = _read(path, "SELECT count(*), count(DISTINCT n), max(n) FROM numbers")
    assert found == [(rows, rows, rows - 1)]
    counts = _groups(path)
    assert (counts[0], max(counts[1:])) == (50_000, ROW_GROUP)


def test_a_checkpoint_writes_few_groups_anew(tmp_path: Path) -> None:
    """Of sixteen stretches that could be merged it merges one (DuckDB: all)."""
    path = tmp_path / "ledger.duckdb"
    ledger = open_for_writing(path, "512MB", 1)
    ledger.execute("CREATE TABLE numbers (n BIGINT)")
    for _ in range(32):
        ledger.execute(f"INSERT INTO numbers FROM range({ROW_GROUP + 2_048})")
    ledger.execute("CHECKPOINT")
    ledger.close()
    assert _groups(path).count(2_048) >= 28


def test_every_session_begins_in_the_ledger(tmp_path: Path) -> None:
    """Also those that Quack opens; what does not fit into memory goes beside it."""
    path = tmp_path / "ledger.duckdb"
    ledger = open_for_writing(path, "512MB", 2)
    ledger.execute("CREATE TABLE numbers AS SELECT 7 AS n")
    session = ledger.cursor()
    assert session.execute(
        "SELECT n, current_database() FROM ledger.numbers"
    ).fetchall() == [(7, "ledger")]
    databases = "SELECT database_name FROM duckdb_databases() WHERE NOT internal"
    assert session.execute(databases).fetchall() == [("ledger",)]
    spills = session.execute("SELECT current_setting('temp_directory')").fetchall()
    assert spills == [(f"{path}.tmp",)]
    ledger.close()


def test_a_disk_without_room_for_another_file_keeps_nobody_from_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ledger opens there as ever, in groups of DuckDB's own size."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    path = tmp_path / "ledger.duckdb"
    _written(path, 0, 2 * ROW_GROUP)
    assert _groups(path) == [2 * ROW_GROUP]
