"""The sink that writes the ledger: records in, committed rows out, each exactly once.

It knows DuckDB and how records are read, and nothing of Kafka.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import duckdb
import pyarrow as pa

from taximeter_schemas.topics import Topics
from taximeter_sinks.decode import (
    CHARGES_SCHEMA,
    RawRecord,
    Undecodable,
    decode_charges,
    source_offset_of,
)
from taximeter_sinks.ledger_file import open_for_writing
from taximeter_sinks.migrate import migrate
from taximeter_sinks.small_tables import SmallTable, TableBatch, small_tables

__all__ = ["DuckDBSink", "Flushed", "Place", "SinkWriteFailed", "insert_charges"]

_log: Final = logging.getLogger(__name__)

# Charges are decoded in tables of about this much text (some 3,000 calls): early, so
# that decoding runs while the batch before is being committed.
_DECODE_BYTES: Final = 2 * 1024 * 1024


class Place(NamedTuple):
    """One partition of one topic."""

    topic: str
    partition: int


class Flushed(NamedTuple):
    """What one flush has made durable.

    `skipped` counts charge records that had been sent again, `next_offsets` the
    places from which the sink would start now.
    """

    rows: int
    records: int
    skipped: int
    undecodable: int
    next_offsets: Mapping[Place, int]


class SinkWriteFailed(Exception):
    """A flush did not reach the disk; nothing of it is in the ledger, call again.

    `fatal` says that DuckDB has given the open file up: open it again before that.
    """

    def __init__(self, reason: str, fatal: bool) -> None:
        self.reason = reason
        self.fatal = fatal
        super().__init__(reason)


@dataclass
class _Batch:
    """What has been added since the last flush was begun."""

    raw_charges: list[RawRecord] = field(default_factory=list[RawRecord])
    raw_bytes: int = 0
    tables: list[pa.Table] = field(default_factory=list[pa.Table])
    small: dict[str, TableBatch] = field(default_factory=dict[str, TableBatch])
    undecodable: list[Undecodable] = field(default_factory=list[Undecodable])
    next_offsets: dict[Place, int] = field(default_factory=dict[Place, int])
    source_offsets: dict[Place, int] = field(default_factory=dict[Place, int])
    size_bytes: int = 0
    records: int = 0
    skipped: int = 0

    def decode(self) -> None:
        raw, self.raw_charges, self.raw_bytes = self.raw_charges, [], 0
        if not raw:
            return
        decoded = decode_charges(raw)
        self.tables.append(decoded.table)
        self.undecodable += decoded.undecodable

    @property
    def charges(self) -> pa.Table:
        return pa.concat_tables([CHARGES_SCHEMA.empty_table(), *self.tables])


class DuckDBSink:
    """Gathers records and writes them, with how far it got, in one transaction.

    See `taximeter_sinks.sink.Sink` for the contract. A charge record counts only if
    its source offset is larger than the largest one of that partition so far: what a
    restarted worker sends again is recognised by that, without an index on the ids.
    """

    def __init__(
        self, path: Path, topics: Topics, memory_limit: str = "512MB", threads: int = 1
    ) -> None:
        self._path = path
        self._charges_topic = topics.charges.name
        self._small_tables = small_tables(topics)
        self._open_settings = (memory_limit, threads)
        self._failed: _Batch | None = None
        self._batch = _Batch()
        self.ledger = self._open()
        self._seen = self._stored_source_offsets()

    def _open(self) -> duckdb.DuckDBPyConnection:
        ledger = open_for_writing(self._path, *self._open_settings)
        migrate(ledger, self._path)
        return ledger

    @property
    def pending_bytes(self) -> int:
        """How much has been added and not been taken by a flush."""
        return self._batch.size_bytes

    @property
    def pending_records(self) -> int:
        """How many records have been added and not been taken by a flush."""
        return self._batch.records

    def next_offsets(self) -> dict[Place, int]:
        """Return where each partition is to be read from, as the ledger has it."""
        found = self.ledger.execute(
            "SELECT topic, partition, next_offset FROM consumed_offsets"
        ).fetchall()
        return {Place(topic, number): offset for topic, number, offset in found}

    def add(self, records: Sequence[RawRecord]) -> None:
        """Take records in, in the order of their partitions. Never raises for them."""
        for record in records:
            self._add(record)
        if self._batch.raw_bytes >= _DECODE_BYTES:
            self._batch.decode()

    async def flush(self) -> Flushed:
        """Write all that was added before, or what a flush before failed to write.

        Writing runs in a thread of its own; `add` may be called meanwhile.

        Raises:
            SinkWriteFailed: if the ledger could not be written. It is rolled back,
                and the batch is kept for the next call.
        """
        again = self._failed is not None
        batch, self._failed = self._failed or self._batch, None
        if not again:
            self._batch = _Batch()
        try:
            return await asyncio.to_thread(self._flush, batch, again)
        except (duckdb.Error, OSError) as error:
            self._failed = batch
            fatal = isinstance(error, duckdb.FatalException)
            raise SinkWriteFailed(str(error).splitlines()[0], fatal) from error

    def _flush(self, batch: _Batch, again: bool) -> Flushed:
        batch.decode()
        if not (again and self._has(batch)):
            self._write(batch)
        self._report(batch.undecodable)
        rows = sum(table.num_rows for table in batch.tables)
        bad = len(batch.undecodable)
        return Flushed(rows, batch.records, batch.skipped, bad, batch.next_offsets)

    def reopen(self) -> None:
        """Open the file again, after an error that DuckDB does not go on from."""
        self.ledger.close()
        self.ledger = self._open()

    def close(self) -> None:
        """Close the ledger; what was added and not flushed is in Kafka still."""
        self.ledger.close()

    def _add(self, record: RawRecord) -> None:
        batch, place = self._batch, Place(record.topic, record.partition)
        batch.next_offsets[place] = record.offset + 1
        batch.records += 1
        batch.size_bytes += len(record.value or b"")
        if record.topic == self._charges_topic:
            self._add_charges(place, record)
            return
        table = self._small_tables[record.topic]
        small = batch.small.setdefault(table.name, TableBatch(table))
        bad = small.add(record)
        batch.undecodable += [bad] if bad else []

    def _add_charges(self, place: Place, record: RawRecord) -> None:
        try:
            source_offset = source_offset_of(record)
        except ValueError as error:
            self._batch.undecodable.append(Undecodable(record, str(error)))
            return
        if source_offset <= self._seen.get(place, -1):
            self._batch.skipped += 1
            return
        self._seen[place] = self._batch.source_offsets[place] = source_offset
        self._batch.raw_charges.append(record)
        self._batch.raw_bytes += len(record.value or b"")

    def _has(self, batch: _Batch) -> bool:
        """Tell whether a flush that had failed reached the disk after all."""
        stored = self.next_offsets()
        wanted = batch.next_offsets.items()
        return all(stored.get(place, -1) >= offset for place, offset in wanted)

    def _write(self, batch: _Batch) -> None:
        # All in one transaction: a crash at any step leaves the ledger as it was
        # before step 1, with the offsets that bring the same records again.
        self.ledger.execute("BEGIN")
        try:
            insert_charges(self.ledger, batch.charges)  # 1. the rows
            for small in batch.small.values():
                _upsert(self.ledger, small)  # 2. the small tables
            _keep_undecodable(self.ledger, batch.undecodable)
            _store_offsets(self.ledger, batch)  # 3. how far this goes
            self.ledger.execute("COMMIT")  # 4. all of it, or nothing
        except BaseException:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        try:
            self.ledger.execute("ROLLBACK")
        except duckdb.Error as error:
            # A failed COMMIT has ended the transaction already.
            _log.debug("nothing to roll back: %s", error)

    def _stored_source_offsets(self) -> dict[Place, int]:
        found = self.ledger.execute(
            "SELECT topic, partition, source_offset FROM consumed_offsets "
            "WHERE source_offset IS NOT NULL"
        ).fetchall()
        return {Place(topic, number): offset for topic, number, offset in found}

    def _report(self, undecodable: Sequence[Undecodable]) -> None:
        for record, reason in undecodable:
            _log.error(
                "record %s/%d@%d cannot be decoded and is kept in "
                "undecodable_records: %s",
                *(record.topic, record.partition, record.offset, reason),
            )


def insert_charges(ledger: duckdb.DuckDBPyConnection, charges: pa.Table) -> None:
    """Insert decoded charges; whoever calls this has begun a transaction."""
    if charges.num_rows:
        _insert(ledger, "charges", charges)


def _insert(ledger: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> None:
    ledger.register("incoming", rows)
    try:
        ledger.execute(f"INSERT INTO {name} BY NAME SELECT * FROM incoming")  # noqa: S608
    finally:
        ledger.unregister("incoming")


def _upsert(ledger: duckdb.DuckDBPyConnection, batch: TableBatch) -> None:
    table, rows = batch.table, batch.rows
    present = [row for row in rows.values() if row is not None]
    removals = [row for row in present if _only_removes(table, row)]
    replacing = [row for row in present if not _only_removes(table, row)]
    if table.first_wins:
        known = _known_keys(ledger, table, list(rows))
        replacing = [row for row in replacing if row[table.key] not in known]
    gone = [key for key, row in rows.items() if row is None]
    _delete(ledger, table, gone + [str(row[table.key]) for row in replacing])
    _insert(ledger, table.name, pa.Table.from_pylist(replacing, schema=table.schema))
    for row in removals:
        _mark_removed(ledger, table, row)


def _only_removes(table: SmallTable, row: Mapping[str, object]) -> bool:
    return "removed_at" in table.schema.names and "period" not in row


def _mark_removed(
    ledger: duckdb.DuckDBPyConnection, table: SmallTable, row: Mapping[str, object]
) -> None:
    """Mark a known budget as removed; of an unknown one only that much is known."""
    if _known_keys(ledger, table, [str(row["budget_id"])]):
        ledger.execute(
            "UPDATE budgets SET removed_at = ? WHERE budget_id = ?",
            [row["removed_at"], row["budget_id"]],
        )
        return
    _insert(ledger, table.name, pa.Table.from_pylist([dict(row)], schema=table.schema))


def _known_keys(
    ledger: duckdb.DuckDBPyConnection, table: SmallTable, keys: list[str]
) -> set[str]:
    found = ledger.execute(
        f"SELECT {table.key}::VARCHAR FROM {table.name} "  # noqa: S608
        f"WHERE list_contains(?, {table.key}::VARCHAR)",
        [keys],
    ).fetchall()
    return {key for (key,) in found}


def _delete(
    ledger: duckdb.DuckDBPyConnection, table: SmallTable, keys: list[str]
) -> None:
    if not keys:
        return
    ledger.register("replaced", pa.table({"key": pa.array(keys, pa.string())}))
    try:
        ledger.execute(
            f"DELETE FROM {table.name} "  # noqa: S608
            f"WHERE {table.key}::VARCHAR IN (SELECT key FROM replaced)"
        )
    finally:
        ledger.unregister("replaced")


def _keep_undecodable(
    ledger: duckdb.DuckDBPyConnection, undecodable: Sequence[Undecodable]
) -> None:
    for record, reason in undecodable:
        ledger.execute(
            "INSERT INTO undecodable_records VALUES (?, ?, ?, ?, ?)",
            [record.topic, record.partition, record.offset, reason, record.value],
        )


def _store_offsets(ledger: duckdb.DuckDBPyConnection, batch: _Batch) -> None:
    for place, next_offset in batch.next_offsets.items():
        source_offset = batch.source_offsets.get(place)
        updated = ledger.execute(
            "UPDATE consumed_offsets SET next_offset = ?, "
            "source_offset = coalesce(?, source_offset) "
            "WHERE topic = ? AND partition = ?",
            [next_offset, source_offset, *place],
        ).fetchone()
        if updated == (0,):
            ledger.execute(
                "INSERT INTO consumed_offsets VALUES (?, ?, ?, ?)",
                [*place, next_offset, source_offset],
            )
