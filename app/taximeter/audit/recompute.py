"""Price the usage topic again, one partition, charge by charge.

This reads the log from its first record and remembers every id: it shares the
reading of records and the price book with the workers, and nothing of how they
gather, flush, deduplicate or recover.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from taximeter_processors.charging import Amounts, amounts_of
from taximeter_processors.kafka import LogRecord, read_log
from taximeter_processors.price_versions import PriceBooks
from taximeter_schemas.records import Fault, read_record, usage_partition
from taximeter_schemas.topics import Topics

__all__ = ["Expected", "Recomputed", "expected_charges"]


class Expected(NamedTuple):
    """A charge that must exist; `cost_pico` is None where there is no price.

    `list_pico` is what the published list says, None where that has no price. `calls`
    is what it adds to the calls, 0 for an adjustment; `unpriced_calls` what to those
    without a price, from which a re-pricing takes away.
    """

    offset: int
    position: int
    cost_pico: int | None
    price_version: str
    list_pico: int | None
    calls: int
    unpriced_calls: int


@dataclass
class Recomputed:
    """What was read on the way, besides the charges."""

    duplicates: int = 0
    dead_letters: int = 0
    forwarded: int = 0


async def expected_charges(
    bootstrap: str,
    topics: Topics,
    partition: int,
    end: int,
    books: PriceBooks,
    seen: Recomputed,
) -> AsyncIterator[Expected]:
    """Yield, in order, the charges that the usage before `end` must have."""
    ids: set[int] = set()
    async for records in read_log(bootstrap, topics.usage.name, partition, 0, end):
        for record in records:
            for charge in _charges(record, partition, topics, books, ids, seen):
                yield charge


def _charges(
    record: LogRecord,
    partition: int,
    topics: Topics,
    books: PriceBooks,
    ids: set[int],
    seen: Recomputed,
) -> list[Expected]:
    recorded_at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
    pricer = books.known_at(recorded_at)
    charges: list[Expected] = []
    for position, reading in enumerate(read_record(record.value, recorded_at)):
        if isinstance(reading, Fault):
            seen.dead_letters += 1
        elif usage_partition(reading.event_id, topics.partitions) != partition:
            seen.forwarded += 1
        elif reading.event_id.int in ids:
            seen.duplicates += 1
        else:
            ids.add(reading.event_id.int)
            amounts = amounts_of(reading, pricer)
            charges.append(_expected(record.offset, position, amounts))
    return charges


def _expected(offset: int, position: int, amounts: Amounts) -> Expected:
    return Expected(
        offset,
        position,
        amounts.cost_pico,
        amounts.price_version,
        amounts.listed.pico if amounts.listed else amounts.cost_pico,
        amounts.calls,
        amounts.unpriced_calls,
    )
