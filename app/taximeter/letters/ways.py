"""A retry's real ways: the dead-letters topic, an emitter, and the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final
from uuid import UUID

from taximeter.broker.topic_io import publish
from taximeter.letters.listing import the_ledger
from taximeter.letters.retry import Ways
from taximeter.letters.topic import letter_events
from taximeter.state import DataDir
from taximeter_producers.kafka import KafkaEmitter
from taximeter_schemas.dead_letters import DeadLetterRetried
from taximeter_schemas.errors import BrokerUnavailable
from taximeter_schemas.topics import Topics
from taximeter_schemas.usage import UsageEvent

__all__ = ["ways_to_retry"]

# So many events are under way at once: few enough for the emitter's buffer.
_UNDER_WAY: Final = 10_000
_PATIENCE_SECONDS: Final = 60.0
_NO_LEDGER: Final = (
    "there is no ledger here: whether an event was charged before is known to the "
    "workers for the dedupe horizon, and longer from the notes on retried letters only"
)


@asynccontextmanager
async def ways_to_retry(
    data: DataDir, topics: Topics, bootstrap: str, say: Callable[[str], None]
) -> AsyncIterator[Ways]:
    """Give the ways for as long as the block runs.

    Args:
        data: where the ledger is; without one the notes and the workers must do.
        topics: the installation's topics.
        bootstrap: Kafka's address.
        say: told when there is no ledger.

    Raises:
        LedgerUnavailable: there is a ledger and it cannot be read.
    """
    ledger = await asyncio.to_thread(the_ledger, data)
    if ledger is None:
        say(_NO_LEDGER)
    emitter = KafkaEmitter(bootstrap, topics, client_id="taximeter-retry")
    try:
        yield Ways(
            letters=partial(letter_events, bootstrap, topics),
            charged=ledger.charged if ledger else _nothing,
            send=partial(_send, emitter),
            note=partial(_note, bootstrap, topics),
        )
    finally:
        await emitter.aclose()
        if ledger is not None:
            ledger.close()


def _nothing(_: Collection[UUID]) -> set[UUID]:
    return set()


async def _send(emitter: KafkaEmitter, events: Sequence[UsageEvent]) -> None:
    """Send as every emitter does: each event to its own partition of `usage`."""
    try:
        for start in range(0, len(events), _UNDER_WAY):
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await emitter.deliver(events[start : start + _UNDER_WAY])
    except TimeoutError:
        reason = "it has not acknowledged the events in time; retry once more"
        raise BrokerUnavailable(emitter.bootstrap, reason) from None


async def _note(
    bootstrap: str, topics: Topics, notes: Sequence[DeadLetterRetried]
) -> None:
    records = [(note.key, note.model_dump_json().encode()) for note in notes]
    await publish(bootstrap, topics.dead_letters, records)
