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

from taximeter_schemas.fault_points import reached
from taximeter_schemas.topics import Topics
from taximeter_sinks.decode import (
    CHARGES_SCHEMA,
    Place,
    RawRecord,
    Undecodable,
    decode_charges,
    source_offset_of,
)
from taximeter_sinks.ledger_file import open_for_writing
from taximeter_sinks.ledger_rows import (
    insert_charges,
    keep_undecodable,
    store_offsets,
    upsert,
)
from taximeter_sinks.migrate import migrate
from taximeter_sinks.small_tables import TableBatch, small_tables

__all__ = ["DuckDBSink", "Flushed", "SinkWriteFailed"]

_log: Final = logging.getLogger(__name__)

# Charges are decoded in tables of about this much text (some 3,000 calls): early, so
# that decoding runs while the batch before is being committed.
_DECODE_BYTES: Final = 2 * 1024 * 1024


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
        for table in self._small_tables[record.topic]:
            small = batch.small.setdefault(table.name, TableBatch(table))
            if bad := small.add(record):
                batch.undecodable.append(bad)
                return

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
        reached("sink", "begun")
        try:
            insert_charges(self.ledger, batch.charges)  # 1. the rows
            for small in batch.small.values():
                upsert(self.ledger, small)  # 2. the small tables
            keep_undecodable(self.ledger, batch.undecodable)
            reached("sink", "inserted")
            # 3. How far this goes.
            store_offsets(self.ledger, batch.next_offsets, batch.source_offsets)
            reached("sink", "stored")
            self.ledger.execute("COMMIT")  # 4. all of it, or nothing
            reached("sink", "committed")
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
