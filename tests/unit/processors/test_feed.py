"""A topic that a worker knows whole, while connections to Kafka come and go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiokafka.errors import KafkaConnectionError

from taximeter_processors import feed
from taximeter_processors.kafka import LogRecord

ENDS = [asyncio.CancelledError(), KafkaConnectionError(), TimeoutError()]


def record(offset: int) -> LogRecord:
    """Return a record that says nothing."""
    return LogRecord(offset=offset, timestamp=0, key=None, value=b"", headers=())


@pytest.mark.parametrize("end", ENDS, ids=lambda end: type(end).__name__)
async def test_a_lost_connection_costs_no_record_and_none_comes_twice(
    monkeypatch: pytest.MonkeyPatch, end: BaseException
) -> None:
    """Also one of which aiokafka tells by cancelling whoever waits for it."""
    asked = []

    async def follow(_: str, __: str, start: int) -> AsyncIterator[LogRecord | None]:
        asked.append(start)
        yield record(start)
        if len(asked) == 1:
            raise end
        yield None
        await asyncio.Event().wait()

    monkeypatch.setattr(feed, "follow", follow)
    monkeypatch.setattr(feed, "_AGAIN_SECONDS", 0)
    taken: list[int] = []
    followed = feed.Feed("nowhere:9092", "prices", lambda one: taken.append(one.offset))
    running = asyncio.create_task(followed.run())

    async with asyncio.timeout(20):
        await followed.caught_up()
    assert (asked, taken) == ([0, 1], [0, 1])
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
