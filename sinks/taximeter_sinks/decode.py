"""Charge records as Arrow tables: pure, so it needs neither Kafka nor DuckDB."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, NamedTuple

import pyarrow as pa

from taximeter_schemas.garbage import no_garbage_collection
from taximeter_schemas.slices import slices_of
from taximeter_sinks.charge_columns import CHARGES_SCHEMA, charges_table
from taximeter_sinks.parsed_charges import Charge, parse, parse_with_care

__all__ = [
    "CHARGES_SCHEMA",
    "DecodedCharges",
    "Place",
    "RawRecord",
    "Undecodable",
    "decode_charges",
    "source_offset_of",
]

# How much text is parsed and taken apart in one go: what comes of it should fit into
# the processor's cache. It is walked through some forty times, once a column, and from
# main memory that takes twice as long.
_SLICE_BYTES: Final = 384 * 1024


class Place(NamedTuple):
    """One partition of one topic."""

    topic: str
    partition: int


class RawRecord(NamedTuple):
    """One record as Kafka gave it; `offset` is its own, not its source's."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


class Undecodable(NamedTuple):
    """A record of our own topics that cannot be read, and why."""

    record: RawRecord
    reason: str


@dataclass(frozen=True)
class DecodedCharges:
    """The charges of some records, and the records that could not be read."""

    table: pa.Table
    undecodable: list[Undecodable] = field(default_factory=list[Undecodable])


# What text that is not a charge can raise: wrong shape, wrong type, too large.
_FAULTS: Final = (TypeError, ValueError, ArithmeticError)


def source_offset_of(record: RawRecord) -> int:
    """Return the offset of the usage record that a charges record was made from.

    Raises:
        ValueError: if the key is not "{source_partition}:{source_offset}", or names
            another partition than the one that the record stands in.
    """
    partition, _, offset = (record.key or b"").partition(b":")
    if not offset or int(partition) != record.partition:
        raise ValueError(f"key {record.key!r} is not of partition {record.partition}")
    return int(offset)


def decode_charges(records: Sequence[RawRecord]) -> DecodedCharges:
    """Return every charge in these records as one table, in their order.

    A record that cannot be decoded is handed back with its reason and the others
    count: a slice is read at once, and only if that fails, record by record.
    """
    tables, undecodable = [CHARGES_SCHEMA.empty_table()], list[Undecodable]()
    # Parsed JSON is some ten thousand objects: looking at them takes a quarter more.
    with no_garbage_collection():
        for some in slices_of(records, _SLICE_BYTES):
            try:
                tables.append(_table_of(some, parse))
            except _FAULTS:
                decoded = _decode_with_care(some)
                tables.append(decoded.table)
                undecodable += decoded.undecodable
    return DecodedCharges(pa.concat_tables(tables).combine_chunks(), undecodable)


def _decode_with_care(records: Sequence[RawRecord]) -> DecodedCharges:
    tables, undecodable = [CHARGES_SCHEMA.empty_table()], list[Undecodable]()
    for record in records:
        try:
            tables.append(_table_with_care(record))
        except _FAULTS as error:
            reason = f"{type(error).__name__}: {error}"
            undecodable.append(Undecodable(record, reason))
    return DecodedCharges(pa.concat_tables(tables), undecodable)


def _table_with_care(record: RawRecord) -> pa.Table:
    try:
        return _table_of([record], parse)
    except _FAULTS:
        # Within a charge stands the caller's own notation of the event.
        return _table_of([record], parse_with_care)


def _table_of(
    records: Sequence[RawRecord], parsing: Callable[[bytes], Sequence[Charge]]
) -> pa.Table:
    parsed = [parsing(record.value or b"") for record in records]
    _check_origins(records, parsed)
    return charges_table(list(chain.from_iterable(parsed)))


def _check_origins(
    records: Sequence[RawRecord], parsed: Sequence[Sequence[Charge]]
) -> None:
    """Hold charges against their record's key, by which they are told from repeats."""
    for record, charges in zip(records, parsed, strict=True):
        origin = source_offset_of(record)
        if [charge.source_offset for charge in charges].count(origin) < len(charges):
            raise ValueError(f"a charge of another origin than {record.key!r}")
