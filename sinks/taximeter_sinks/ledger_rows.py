"""What a flush writes into the ledger, statement by statement.

Whoever calls these has begun a transaction and ends it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import duckdb
import pyarrow as pa

from taximeter_sinks.decode import Place, Undecodable
from taximeter_sinks.quick_sums import with_quick_sums
from taximeter_sinks.roll_ups import ROLL_UPS, ROLLED, adding, in_full
from taximeter_sinks.small_tables import SmallTable, TableBatch

__all__ = [
    "insert_charges",
    "keep_undecodable",
    "roll_up_anew",
    "store_offsets",
    "upsert",
]

_OFFSETS_SCHEMA: Final = pa.schema(
    [
        ("topic", pa.string()),
        ("partition", pa.int32()),
        ("next_offset", pa.int64()),
        ("source_offset", pa.int64()),
    ]
)
_STORE_OFFSETS: Final = """
MERGE INTO consumed_offsets AS stored USING incoming
ON stored.topic = incoming.topic AND stored.partition = incoming.partition
WHEN MATCHED THEN UPDATE SET
    next_offset = incoming.next_offset,
    source_offset = coalesce(incoming.source_offset, stored.source_offset)
WHEN NOT MATCHED THEN INSERT BY NAME
"""


def insert_charges(ledger: duckdb.DuckDBPyConnection, charges: pa.Table) -> None:
    """Insert decoded charges, and add them to every roll-up."""
    if not charges.num_rows:
        return
    rows = with_quick_sums("incoming")
    with _lent(ledger, charges):
        written = ledger.execute(
            f"INSERT INTO charges BY NAME {rows} RETURNING {', '.join(ROLLED)}"
        ).to_arrow_table()
    with _lent(ledger, written):
        for roll_up in ROLL_UPS:
            ledger.execute(adding(roll_up, "incoming"))


def roll_up_anew(ledger: duckdb.DuckDBPyConnection) -> None:
    """Make every roll-up anew, for charges that came in by another way."""
    for roll_up in ROLL_UPS:
        ledger.execute(f"TRUNCATE {roll_up.table}")
        cells = in_full(roll_up, "charges")
        ledger.execute(
            f"INSERT INTO {roll_up.table} BY NAME {cells} ORDER BY {roll_up.cell}"
        )


def _insert(ledger: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> None:
    with _lent(ledger, rows):
        ledger.execute(f"INSERT INTO {name} BY NAME SELECT * FROM incoming")  # noqa: S608


@contextmanager
def _lent(ledger: duckdb.DuckDBPyConnection, rows: pa.Table) -> Iterator[None]:
    """Let SQL see rows as `incoming`.

    Not as parameters: for each of those DuckDB looks for pandas on the whole path.
    """
    ledger.register("incoming", rows)
    try:
        yield
    finally:
        ledger.unregister("incoming")


def upsert(ledger: duckdb.DuckDBPyConnection, batch: TableBatch) -> None:
    """Write what some records say of one small table: one row a key."""
    table, rows = batch.table, batch.rows
    present = [row for row in rows.values() if row is not None]
    removals = [row for row in present if table.only_removes(row)]
    replacing = [row for row in present if not table.only_removes(row)]
    if table.first_wins:
        known = _known_keys(ledger, table, list(rows))
        replacing = [row for row in replacing if row[table.key] not in known]
    gone = [key for key, row in rows.items() if row is None]
    _delete(ledger, table, gone + [str(row[table.key]) for row in replacing])
    if replacing:
        _insert(ledger, table.name, table.arrow(replacing))
    for row in removals:
        _mark_removed(ledger, table, row)


def _mark_removed(
    ledger: duckdb.DuckDBPyConnection, table: SmallTable, row: dict[str, object]
) -> None:
    """Mark a known budget as removed; of an unknown one only that much is known."""
    if _known_keys(ledger, table, [str(row["budget_id"])]):
        ledger.execute(
            "UPDATE budgets SET removed_at = ? WHERE budget_id = ?",
            [row["removed_at"], row["budget_id"]],
        )
        return
    _insert(ledger, table.name, table.arrow([row]))


def _known_keys(
    ledger: duckdb.DuckDBPyConnection, table: SmallTable, keys: list[str]
) -> set[str]:
    with _lent(ledger, pa.table({"key": pa.array(keys, pa.string())})):
        found = ledger.execute(
            f"SELECT {table.key}::VARCHAR FROM {table.name} "  # noqa: S608
            f"WHERE {table.key}::VARCHAR IN (SELECT key FROM incoming)"
        ).fetchall()
    return {key for (key,) in found}


def _delete(
    ledger: duckdb.DuckDBPyConnection, table: SmallTable, keys: list[str]
) -> None:
    if not keys:
        return
    with _lent(ledger, pa.table({"key": pa.array(keys, pa.string())})):
        ledger.execute(
            f"DELETE FROM {table.name} "  # noqa: S608
            f"WHERE {table.key}::VARCHAR IN (SELECT key FROM incoming)"
        )


def keep_undecodable(
    ledger: duckdb.DuckDBPyConnection, undecodable: Sequence[Undecodable]
) -> None:
    """Keep records of our own topics that could not be decoded, to be looked at."""
    for record, reason in undecodable:
        ledger.execute(
            "INSERT INTO undecodable_records VALUES (?, ?, ?, ?, ?)",
            [record.topic, record.partition, record.offset, reason, record.value],
        )


def store_offsets(
    ledger: duckdb.DuckDBPyConnection,
    next_offsets: Mapping[Place, int],
    source_offsets: Mapping[Place, int],
) -> None:
    """Write down where each partition is to be read from, and what its charges cover.

    Args:
        ledger: the ledger, in a transaction.
        next_offsets: the offset behind the last record of each place.
        source_offsets: the largest offset of `usage` charged, where there is a new one.
    """
    rows = [
        (*place, next_offset, source_offsets.get(place))
        for place, next_offset in next_offsets.items()
    ]
    columns = [list(column) for column in zip(*rows, strict=True)]
    if columns:
        with _lent(ledger, pa.table(columns, schema=_OFFSETS_SCHEMA)):
            ledger.execute(_STORE_OFFSETS)
