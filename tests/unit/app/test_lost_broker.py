"""A connection that aiokafka closes under whoever waits for it, outside the workers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition

from taximeter.broker import sole_writer, topic_io
from taximeter.broker.sole_writer import Line, SoleWriter
from taximeter.broker.unavailable import unavailable_means
from taximeter_schemas.errors import BrokerUnavailable
from taximeter_schemas.topics import Topics
from taximeter_sinks import consumer
from taximeter_sinks.consumer import RecordSource

NOWHERE = "nowhere:9092"
WORDS = {"key": None, "value": b"{}"}
Fetched = dict[TopicPartition, list[SimpleNamespace]]


async def _lost(*_: object, **__: object) -> None:
    answer = asyncio.get_running_loop().create_future()
    answer.cancel()
    await answer


async def test_a_topic_is_followed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind what was yielded; in a group of tasks it would end without a word."""
    places: list[int] = []

    class Consumer:
        def __init__(self, **_: object) -> None:
            self.start = self.stop = self.seek_to_beginning = self._nothing
            self._at = 0

        async def _nothing(self, *_: object) -> None:
            pass

        def assign(self, _: Sequence[object]) -> None:
            pass

        def seek(self, _: object, offset: int) -> None:
            places.append(offset)
            self._at = offset

        async def getmany(self, **_: object) -> Fetched:
            if len(places) == 1 and self._at > 7:
                await _lost()
            offset, self._at = self._at, self._at + 1
            return {TopicPartition("t", 0): [SimpleNamespace(offset=offset, **WORDS)]}

    async def there(*_: object) -> None:
        pass

    monkeypatch.setattr(topic_io, "AIOKafkaConsumer", Consumer)
    monkeypatch.setattr(topic_io, "check_broker", there)
    monkeypatch.setattr(topic_io, "_AGAIN_SECONDS", 0)
    following = topic_io.follow_topic(NOWHERE, Topics().budget_alerts, {0: 7})
    offsets = [[one.offset for one in await anext(following)] for _ in range(3)]
    assert (offsets, places) == ([[7], [8], [9]], [7, 8])


async def test_whoever_asks_is_told() -> None:
    """Also of an error that has no words."""
    with (
        pytest.raises(BrokerUnavailable, match="ConnectionError"),
        unavailable_means(NOWHERE),
    ):
        raise ConnectionError
    with pytest.raises(BrokerUnavailable, match="closed"), unavailable_means(NOWHERE):
        await _lost()


async def test_whoever_writes_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows whether it was written; the next session reads it in the log."""

    class Producer:
        def __init__(self, **_: object) -> None:
            self.transaction = self

        def __call__(self) -> Producer:
            return self

        async def __aenter__(self) -> None:
            await _lost()

        async def __aexit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(sole_writer, "AIOKafkaProducer", Producer)
    with pytest.raises(BrokerUnavailable):
        await SoleWriter(NOWHERE, "n").write([Line(Topics().deliveries, b"k", b"v")])


async def test_the_sink_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It fetches nothing, says so once, and goes on."""
    monkeypatch.setattr(consumer, "_RETRY_SECONDS", 0)
    source = RecordSource(NOWHERE, Topics(), {})
    monkeypatch.setattr(source, "_ready", _lost)
    assert await source.fetch(0.1) == []
