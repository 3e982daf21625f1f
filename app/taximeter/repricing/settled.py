"""Waiting until all that stands in `usage` is charged and the ledger has it.

Before re-pricing, so that what an earlier run sent, or was killed while sending, is
seen in the ledger; and after it, so that whoever asks next is told the new sums.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final

from taximeter.broker.admin import end_offsets, waiting
from taximeter_processors.kafka import first_offset, read_log
from taximeter_processors.meter import Progress
from taximeter_processors.sums import PROGRESS_KEY
from taximeter_schemas.errors import NotReady
from taximeter_schemas.topics import Topics
from taximeter_sinks.queries import Ledger

__all__ = ["settled"]

_LOOK_AGAIN_SECONDS: Final = 0.25
_LONGEST_PAUSE_SECONDS: Final = 1.0

# A look takes a connection for each partition, and the time of whom it waits for.
_RECORDS_A_SECOND: Final = 500
_STANDSTILL_SECONDS: Final = 15.0

# A flush writes its progress last, so that the end of the table has it.
_TAIL: Final = 64


async def settled(
    bootstrap: str,
    topics: Topics,
    ledger: Ledger,
    moved: Callable[[int], None] = lambda _: None,
) -> None:
    """Return when all usage of this moment is charged and in the ledger.

    Args:
        bootstrap: Kafka's address.
        topics: the installation's topics.
        ledger: where the charges are to be seen.
        moved: told how many records of `usage` are not charged yet.

    Raises:
        NotReady: workers or sink stand still.
    """
    ends = await _ends_to_reach(bootstrap, topics)
    await _until_none(lambda: _uncharged(bootstrap, topics, ends, moved), "worker")
    await _until_none(lambda: _unwritten(bootstrap, topics, ledger), "sink")


async def _until_none(left: Callable[[], Awaitable[int]], part: str) -> None:
    fewest, moved_at = -1, monotonic()
    while count := await left():
        if count < fewest or fewest < 0:
            fewest, moved_at = count, monotonic()
        elif monotonic() - moved_at > _STANDSTILL_SECONDS:
            raise NotReady(
                f"{count} records wait for the {part}, which does not go on: is one "
                "running? 'taximeter status' shows it, 'taximeter up' starts all"
            )
        await asyncio.sleep(_pause(count))


def _pause(records: int) -> float:
    """Return when to look again: the more is left, the later.

    >>> _pause(1), _pause(250), _pause(10_000)
    (0.25, 0.5, 1.0)
    """
    pause = max(_LOOK_AGAIN_SECONDS, records / _RECORDS_A_SECOND)
    return min(_LONGEST_PAUSE_SECONDS, pause)


async def _ends_to_reach(bootstrap: str, topics: Topics) -> dict[int, int]:
    """Return the end of each partition of `usage` that has anything in it."""
    name = topics.usage.name
    ends = (await end_offsets(bootstrap, [topics.usage])).get(name, [])
    first = (first_offset(bootstrap, name, partition) for partition in range(len(ends)))
    found = zip(ends, await asyncio.gather(*first), strict=True)
    # What is gone from the topic has been charged, or never will be.
    return {p: end for p, (end, start) in enumerate(found) if end > start}


async def _uncharged(
    bootstrap: str, topics: Topics, ends: dict[int, int], moved: Callable[[int], None]
) -> int:
    name = topics.spend_table.name
    rows = (await end_offsets(bootstrap, [topics.spend_table]))[name]
    reached = [_progress(bootstrap, name, p, rows[p]) for p in ends]
    progress = zip(ends.values(), await asyncio.gather(*reached), strict=True)
    left = sum(max(0, end - at) for end, at in progress)
    moved(left)
    return left


async def _progress(bootstrap: str, table: str, partition: int, end: int) -> int:
    """Return up to which offset a partition's usage is charged, 0 if none of it is."""
    tail = _TAIL
    while True:
        start = max(0, end - tail)
        found = 0
        async for records in read_log(bootstrap, table, partition, start, end):
            for record in records:
                if record.key == PROGRESS_KEY and record.value:
                    found = Progress.decode(record.value).next_offset
        if found or not start:
            return found
        tail *= 16


async def _unwritten(bootstrap: str, topics: Topics, ledger: Ledger) -> int:
    consumed = await asyncio.to_thread(ledger.consumed_offsets)
    name = topics.charges.name
    reached = {p: consumed.get((name, p), 0) for p in range(topics.partitions)}
    left = await waiting(bootstrap, topics.charges, reached)
    return sum(count or 0 for count in left.values())
