"""What one fetch brought is worked on in a few pieces, all of it and in order."""

from __future__ import annotations

from taximeter_processors.kafka import LogRecord
from taximeter_schemas.slices import slices_of

KIB = 1024


def a_record(offset: int, size: int) -> LogRecord:
    """Make a record with so many bytes; 0 is one without a value."""
    return LogRecord(offset, 1_000, None, b"x" * size or None, ())


def test_small_records_go_together() -> None:
    """Up to the size, and the record that reaches it."""
    records = [a_record(offset, KIB) for offset in range(100)]
    assert [len(batch) for batch in slices_of(records, 64 * KIB)] == [64, 36]


def test_nothing_is_left_out_and_nothing_comes_twice() -> None:
    """Large ones go alone, those without a value go along."""
    sizes = [0, 70 * KIB, 0, 63 * KIB, 5, 2 * KIB, 900 * KIB, 1, 0]
    records = [a_record(offset, size) for offset, size in enumerate(sizes)]
    batches = list(slices_of(records, 64 * KIB))
    assert [record for batch in batches for record in batch] == records
    assert all(batches)
    assert [len(batch) for batch in batches] == [2, 4, 1, 2]


def test_nothing_is_no_batch() -> None:
    """A fetch that brought nothing makes no message."""
    assert list(slices_of(list[LogRecord](), 64 * KIB)) == []
