"""Kafka stopped, slow or refusing: no metered call notices, and no event is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from random import Random
from time import perf_counter, sleep
from typing import Any

import openai
import pytest

import taximeter
from taximeter.bench.troubled import TROUBLES, TroubledKafka, troubled
from tests import provider_answers as answers
from tests.faults.installations import Installation
from tests.faults.stream import LONG, SEED
from tests.integration.producers.usage_topic import in_kafka
from tests.replaying import Replay, replaying

pytestmark = [pytest.mark.broker, pytest.mark.filterwarnings("ignore")]

CHAT = answers.real("openai.chat_completions")[0]["body"]
# What a slow Kafka takes for an answer: a call that waits for one takes longer.
SLOW_SECONDS = 1.0
TROUBLE_SECONDS = 10.0 if LONG else 1.5
PAUSE_SECONDS = 0.02


@pytest.fixture
def provider() -> Iterator[Replay]:
    """Serve more answers than there will be calls, each with an id of its own."""
    with replaying() as replay:
        count = round(12 * TROUBLE_SECONDS / PAUSE_SECONDS)
        chats = (answers.chat(CHAT) for _ in range(count))
        replay.answers(*map(answers.json_reply, chats))
        yield replay


async def test_trouble_with_kafka_reaches_no_call(
    place: Installation, provider: Replay
) -> None:
    """None fails or waits, whatever comes in whichever order; all arrive in the end."""
    bootstrap, topics = place.side.bootstrap, place.side.topics
    with troubled(bootstrap) as kafka:
        taximeter.stop()
        meter = taximeter.start(bootstrap=kafka.bootstrap, prefix=topics.prefix)
        url = f"{provider.url}/v1"
        with _client(url) as bare, taximeter.wrap(_client(url)) as metered:
            calls = Calls(bare, metered)
            await asyncio.to_thread(calls.through_troubles, kafka)
        assert await asyncio.to_thread(meter.flush, 120)
        assert meter.stats().lost == 0
        taximeter.stop()
    # What a busy machine does to a call it does to any.
    assert max(calls.took) < SLOW_SECONDS + max(calls.bare_took)
    assert {e.response_id for e in await in_kafka(bootstrap, topics)} == calls.said


class Calls:
    """Calls of a metered client and of one that is not, in turns."""

    def __init__(self, bare: openai.OpenAI, metered: openai.OpenAI) -> None:
        self.said: set[str] = set()
        self.took: list[float] = []
        self.bare_took: list[float] = []
        self._bare = bare
        self._metered = metered

    def through_troubles(self, kafka: TroubledKafka) -> None:
        """Call all the time, while one trouble follows the other, and then none."""
        chance = Random(SEED)
        self.said.add(_answer(self._metered))  # the first one imports much
        for trouble in (*chance.sample(TROUBLES, len(TROUBLES)), None):
            kafka.has(trouble)
            until = perf_counter() + chance.uniform(0.7, 1.3) * TROUBLE_SECONDS
            while perf_counter() < until:
                self._once()
                sleep(PAUSE_SECONDS)

    def _once(self) -> None:
        began = perf_counter()
        _answer(self._bare)
        halfway = perf_counter()
        self.said.add(_answer(self._metered))
        self.took.append(perf_counter() - halfway)
        self.bare_took.append(halfway - began)


def _client(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=url, api_key="-", max_retries=0)


def _answer(client: openai.OpenAI) -> str:
    message: Any = {"role": "user", "content": "What is the capital of France?"}
    return client.chat.completions.create(model="gpt-4o", messages=[message]).id
