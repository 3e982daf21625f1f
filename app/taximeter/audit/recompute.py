"""Price the usage topic again, one partition, charge by charge.

This reads the log from its first record and remembers every id: it shares the
reading of records and the price book with the workers, and nothing of how they
gather, flush, deduplicate or recover.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from taximeter_processors.charging import Pricer, amounts_of
from taximeter_processors.kafka import LogRecord, read_log
from taximeter_processors.price_versions import PriceBooks
from taximeter_schemas.money import pico_from_usd
from taximeter_schemas.partitioning import partitions_of
from taximeter_schemas.records import Fault, read_record, usage_key
from taximeter_schemas.topics import Topics
from taximeter_schemas.usage import ChargedEvent, UsageRepriced

__all__ = ["Expected", "Recomputed", "expected_charge", "expected_charges"]


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
    readings = read_record(record.value, recorded_at)
    places = _places(readings, topics.partitions)
    for position, reading in enumerate(readings):
        if isinstance(reading, Fault):
            seen.dead_letters += 1
        elif next(places) != partition:
            seen.forwarded += 1
        elif reading.event_id.int in ids:
            seen.duplicates += 1
        else:
            ids.add(reading.event_id.int)
            charges.append(expected_charge(record.offset, position, reading, pricer))
    return charges


def _places(readings: Sequence[ChargedEvent | Fault], partitions: int) -> Iterator[int]:
    """Yield the partition of each event; that is much quicker for all at once."""
    good = [one for one in readings if not isinstance(one, Fault)]
    return iter(partitions_of([usage_key(one.event_id) for one in good], partitions))


def expected_charge(
    offset: int, position: int, event: ChargedEvent, pricer: Pricer
) -> Expected:
    """Return the charge that one event must have, if it counts."""
    if isinstance(event, UsageRepriced):
        return _restated(offset, position, event)
    amounts = amounts_of(event, pricer)
    return Expected(
        offset,
        position,
        amounts.cost_pico,
        amounts.price_version,
        amounts.listed.pico if amounts.listed else amounts.cost_pico,
        amounts.calls,
        amounts.unpriced_calls,
    )


def _restated(offset: int, position: int, event: UsageRepriced) -> Expected:
    """Return what a re-pricing states: it adds no call, and maybe finds a price."""
    cost = listed = pico_from_usd(
        event.new_input_cost_usd
        + event.new_output_cost_usd
        - event.old_input_cost_usd
        - event.old_output_cost_usd
    )
    if event.new_list_cost_usd is not None and event.old_list_cost_usd is not None:
        listed = pico_from_usd(event.new_list_cost_usd - event.old_list_cost_usd)
    found = -1 if event.old_unpriced_reason else 0
    return Expected(offset, position, cost, event.new_price_version, listed, 0, found)
