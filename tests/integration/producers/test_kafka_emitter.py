"""What an emitter accepted is in Kafka: once, in its partition, whatever ends it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading

import pytest

from taximeter.broker.ports import free_port
from taximeter.broker.topic_io import read_topic
from taximeter_producers.kafka import KafkaEmitter
from taximeter_producers.packing import EncodedEvent
from taximeter_schemas.errors import (
    BrokerUnavailable,
    BufferFull,
    EmitterClosed,
    EventTooLarge,
)
from taximeter_schemas.records import MAX_EVENT_BYTES
from taximeter_schemas.topics import Topics
from tests.integration.producers.usage_topic import (
    a_usage,
    create_small_topic,
    ids,
    in_kafka,
    passing_on,
)
from tests.serving import serving

pytestmark = pytest.mark.broker

CHILD = """
import os, signal, sys, time
from taximeter_producers.attribution import usage_recorded
from taximeter_producers.kafka import KafkaEmitter
from taximeter_schemas.topics import Topics

bootstrap, prefix, ending = sys.argv[1:]
if ending == "own handler":
    signal.signal(signal.SIGTERM, lambda number, frame: os._exit(7))
emitter = KafkaEmitter(bootstrap, Topics(prefix=prefix), linger_ms=60_000)
for n in range(500):
    assert emitter.emit(usage_recorded(provider="p", model="m", usage={}))
if ending == "fork":
    emitter.flush(20)
    child = os.fork()
    if child == 0:
        emitter.emit(usage_recorded(provider="p", model="m", usage={}, source="child"))
        os._exit(0 if emitter.close(20) else 1)
    assert os.waitpid(child, 0)[1] == 0
    emitter.emit(usage_recorded(provider="p", model="m", usage={}))
if ending in ("sigterm", "own handler"):
    print("ready", flush=True)
    time.sleep(60)
"""


async def test_everything_emitted_arrives_once(bootstrap: str, topics: Topics) -> None:
    """Events of several threads arrive once each, in the partitions of their ids."""
    events = [a_usage() for _ in range(4000)]
    with KafkaEmitter(bootstrap, topics, max_record_events=50) as emitter:
        threads = [
            threading.Thread(target=lambda n=n: [*map(emitter.emit, events[n::4])])
            for n in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert emitter.flush(30)
        assert emitter.stats().delivered == 4000
    assert ids(await in_kafka(bootstrap, topics)) == ids(events)


async def test_close_flushes_and_refuses_from_then_on(
    bootstrap: str, topics: Topics
) -> None:
    """`close` returns when all is in Kafka, and a later event is refused."""
    emitter = KafkaEmitter(bootstrap, topics, linger_ms=60_000)
    events = [a_usage() for _ in range(10)]
    assert all([emitter.emit(event) for event in events])
    assert emitter.close(30)
    assert not emitter.emit(a_usage())
    with pytest.raises(EmitterClosed):
        await emitter.deliver([a_usage()])
    assert ids(await in_kafka(bootstrap, topics)) == ids(events)


async def test_deliver_returns_when_kafka_has_it(
    bootstrap: str, topics: Topics
) -> None:
    """Many deliveries at once, from a loop, are each acknowledged."""
    batches = [[a_usage() for _ in range(30)] for _ in range(20)]
    async with KafkaEmitter(bootstrap, topics) as emitter:
        await asyncio.gather(*(emitter.deliver(batch) for batch in batches))
        found = await in_kafka(bootstrap, topics)
        assert await emitter.aflush(5)
    assert ids(found) == ids(event for batch in batches for event in batch)


async def test_what_comes_encoded_travels_as_it_stands(
    bootstrap: str, topics: Topics
) -> None:
    """Bytes that somebody validated are packed beside events, and are not rewritten."""
    plain, encoded = a_usage(), EncodedEvent.of(a_usage())
    spaced = EncodedEvent(encoded.key, encoded.value.replace(b'":', b'" :'))
    large = EncodedEvent(encoded.key, b" " * (MAX_EVENT_BYTES + 1))
    async with KafkaEmitter(bootstrap, topics) as emitter:
        await emitter.deliver([plain, spaced])
        with pytest.raises(EventTooLarge):
            await emitter.deliver([large])
        assert emitter.stats().refused == {"too_large": 1}
    assert len(await in_kafka(bootstrap, topics)) == 2
    values = [r.value or b"" for r in await read_topic(bootstrap, topics.usage)]
    assert sum(spaced.value in value for value in values) == 1


async def test_deliver_refuses_all_or_nothing(bootstrap: str, topics: Topics) -> None:
    """What does not fit is refused whole, with the reason."""
    large = a_usage(tags={f"{n:02}" + "\x01" * 254: "\x01" * 256 for n in range(32)})
    async with KafkaEmitter(bootstrap, topics, max_pending=10) as emitter:
        with pytest.raises(BufferFull):
            await emitter.deliver([a_usage() for _ in range(11)])
        with pytest.raises(EventTooLarge):
            await emitter.deliver([a_usage(), large])
        await emitter.deliver([])
        assert emitter.stats().refused == {"buffer_full": 11, "too_large": 2}
    assert await in_kafka(bootstrap, topics) == []


async def test_what_the_broker_finds_too_large_is_halved(
    bootstrap: str, topics: Topics
) -> None:
    """Records above the topic's own limit arrive in pieces, nothing is lost."""
    small = Topics(prefix=topics.prefix + "small.", partitions=4)
    await create_small_topic(bootstrap, small)
    events = [a_usage(endpoint="/" + "x" * 200) for _ in range(60)]
    async with KafkaEmitter(bootstrap, small, compression=None) as emitter:
        async with asyncio.timeout(60):
            await emitter.deliver(events)
        unsendable = a_usage(tags={f"{n}" * 100: "x" * 256 for n in range(8)})
        with pytest.raises(EventTooLarge):
            async with asyncio.timeout(60):
                await emitter.deliver([unsendable])
        stats = emitter.stats()
    assert (stats.delivered, stats.lost, stats.pending) == (60, 1, 0)
    assert ids(await in_kafka(bootstrap, small)) == ids(events)


async def test_events_wait_for_a_broker_that_comes_later(
    bootstrap: str, topics: Topics
) -> None:
    """Accepted while nothing answers, events arrive when something does."""
    port = free_port()
    emitter = KafkaEmitter(f"127.0.0.1:{port}", topics)
    event = a_usage()
    assert emitter.emit(event)
    with pytest.raises(BrokerUnavailable):
        await asyncio.to_thread(emitter.start, 0.2)
    assert not await emitter.aflush(0.5)  # it waits as it will travel by then
    async with serving(passing_on(bootstrap), port):
        assert await emitter.aflush(30)
        await emitter.aclose()
    assert ids(await in_kafka(bootstrap, topics)) == ids([event])


def _child(bootstrap: str, topics: Topics, ending: str) -> subprocess.Popen[str]:
    # By name, so that resolving it works while the interpreter is shutting down.
    named = bootstrap.replace("127.0.0.1", "localhost")
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, named, topics.prefix, ending],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )


async def test_a_program_that_just_ends_loses_nothing(
    bootstrap: str, topics: Topics
) -> None:
    """At a normal end, without close, everything accepted is sent."""
    with _child(bootstrap, topics, "end") as child:
        assert child.wait(60) == 0
    assert len(await in_kafka(bootstrap, topics)) == 500


async def test_sigterm_loses_nothing_and_still_ends_the_program(
    bootstrap: str, topics: Topics
) -> None:
    """SIGTERM ends the process as it always does, after everything is sent."""
    with _child(bootstrap, topics, "sigterm") as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        child.terminate()
        assert child.wait(60) == -signal.SIGTERM
    assert len(await in_kafka(bootstrap, topics)) == 500


async def test_sigterm_still_does_what_the_program_made_it_do(
    bootstrap: str, topics: Topics
) -> None:
    """The program's own handler is called, after everything is sent."""
    with _child(bootstrap, topics, "own handler") as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        child.terminate()
        assert child.wait(60) == 7
    assert len(await in_kafka(bootstrap, topics)) == 500


async def test_a_forked_child_starts_over(bootstrap: str, topics: Topics) -> None:
    """After a fork both processes emit, and the parent's events are not sent twice."""
    with _child(bootstrap, topics, "fork") as child:
        assert child.wait(60) == 0
    found = await in_kafka(bootstrap, topics)
    assert len(set(ids(found))) == len(found) == 502
    assert [event.source for event in found].count("child") == 1
