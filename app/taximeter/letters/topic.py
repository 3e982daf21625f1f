"""Dead letters, and what was noted of them, as their topic has them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Final, NamedTuple

from pydantic import ValidationError

from taximeter.broker.admin import end_offsets
from taximeter.broker.topic_io import scan_topic
from taximeter_schemas.dead_letters import (
    DeadLetter,
    DeadLetterEvent,
    dead_letter_event_adapter,
)
from taximeter_schemas.topics import Topics

__all__ = ["LetterCounts", "count_letters", "letter_events"]

_READ_AT_MOST: Final = 10_000


class LetterCounts(NamedTuple):
    """How many dead letters were kept, and how many of them were not retried yet.

    `open` is None where there are too many to look at each.
    """

    kept: int
    open: int | None


async def letter_events(
    bootstrap: str, topics: Topics
) -> AsyncGenerator[DeadLetterEvent, None]:
    """Yield what the topic has now, in its order; a letter may come more than once.

    Raises:
        BrokerUnavailable: no broker answers.
    """
    async for record in scan_topic(bootstrap, topics.dead_letters):
        try:
            event = dead_letter_event_adapter.validate_json(record.value or b"")
        except ValidationError:
            continue  # somebody else's: nothing of ours can be made of it
        yield event


async def count_letters(bootstrap: str, topics: Topics) -> LetterCounts:
    """Count the letters; where there are over 10,000 records, those records.

    Raises:
        BrokerUnavailable: no broker answers.
    """
    topic = topics.dead_letters
    records = sum((await end_offsets(bootstrap, [topic])).get(topic.name, []))
    if records > _READ_AT_MOST:
        return LetterCounts(records, None)
    kept: set[bytes] = set()
    retried: set[bytes] = set()
    async for event in letter_events(bootstrap, topics):
        (kept if isinstance(event, DeadLetter) else retried).add(event.key)
    return LetterCounts(len(kept), len(kept - retried))
