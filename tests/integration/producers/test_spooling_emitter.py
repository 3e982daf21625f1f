"""An emitter with a spool: what it accepted arrives, in order, whoever was away."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import UUID

import pytest

from taximeter.broker.ports import free_port
from taximeter_producers.kafka import KafkaEmitter
from taximeter_schemas.errors import BufferFull, ConfigurationError
from taximeter_schemas.records import usage_partition
from taximeter_schemas.topics import Topics
from taximeter_schemas.usage import UsageRecorded
from tests.integration.producers.usage_topic import (
    a_usage,
    create_small_topic,
    in_kafka,
    passing_on,
)
from tests.serving import serving
from tests.waiting import eventually, eventually_async

CHILD = """
import os, signal, sys, time
from taximeter_producers.attribution import usage_recorded
from taximeter_producers.kafka import KafkaEmitter
from taximeter_schemas.topics import Topics

bootstrap, prefix, spool_dir, durability, what = sys.argv[1:]
if what == "own handler":
    signal.signal(signal.SIGTERM, lambda number, frame: os._exit(7))
emitter = KafkaEmitter(
    bootstrap, Topics(prefix=prefix), spool_dir=spool_dir, durability=durability
)

def emit(source):
    event = usage_recorded(provider="p", model="m", usage={}, source=source)
    assert emitter.emit(event)
    return str(event.event_id)

for _ in range(300):
    print(emit("parent"))
if what == "fork":
    children = []
    for _ in range(5):
        child = os.fork()
        if child == 0:
            emit("child")
            os._exit(0 if emitter.close(20) else 1)
        children.append(child)
        emit("parent")
    assert all(os.waitpid(child, 0)[1] == 0 for child in children)
print("ready", flush=True)
event = usage_recorded(provider="p", model="m", usage={})
while what == "busy":
    emitter.emit(event)
if what != "end":
    time.sleep(60)
"""


@pytest.fixture
def spool_dir(tmp_path: Path) -> Path:
    """Give a directory for a spool."""
    return tmp_path / "spool"


class Emitters:
    """Emitters of one service, to a Kafka that comes only when it is told to."""

    def __init__(self, bootstrap: str, topics: Topics, spool_dir: Path) -> None:
        self.topics = topics
        self._real = bootstrap
        self._port = free_port()
        self._spool_dir = spool_dir

    def new(self, **settings: Any) -> KafkaEmitter:  # noqa: ANN401
        """Return one more emitter."""
        return KafkaEmitter(
            f"127.0.0.1:{self._port}",
            self.topics,
            spool_dir=self._spool_dir,
            **settings,
        )

    @asynccontextmanager
    async def kafka(self) -> AsyncIterator[None]:
        """Let Kafka be there."""
        async with serving(passing_on(self._real), self._port):
            yield

    async def arrived(self) -> list[UUID]:
        """Return the ids in Kafka, partition by partition, as they came first.

        A slow Kafka may be sent the same twice, which costs nobody anything.
        """
        found = by_partition(await in_kafka(self._real, self.topics))
        return list(dict.fromkeys(found))

    def process(self, durability: str, what: str) -> subprocess.Popen[str]:
        """Start a process that emits 300 events."""
        kafka = f"127.0.0.1:{self._port}"
        arguments = [kafka, self.topics.prefix, str(self._spool_dir), durability, what]
        return subprocess.Popen(
            [sys.executable, "-c", CHILD, *arguments],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )

    async def drained(self) -> None:
        """Send what may be left: a slow Kafka is not waited for at the end."""
        async with self.new() as last:
            await eventually_async(lambda: self._empty(last), 60)

    async def _empty(self, emitter: KafkaEmitter) -> bool:
        left = [path for path in self.left_over() if path.suffix == ".spool"]
        assert (left, emitter.stats().lost) == ([], 0)
        return True

    def left_over(self) -> list[Path]:
        """Return the files in the spool."""
        return [path for path in self._spool_dir.rglob("*") if path.is_file()]


@pytest.fixture
def emitters(bootstrap: str, topics: Topics, spool_dir: Path) -> Emitters:
    """Give a service with a spool, and no Kafka yet."""
    return Emitters(bootstrap, topics, spool_dir)


def some_events(count: int) -> list[UsageRecorded]:
    """Return events, each of its own id."""
    return [a_usage() for _ in range(count)]


def by_partition(events: Iterable[UsageRecorded]) -> list[UUID]:
    """Return the ids partition by partition, each in the order of these events."""
    ids = [event.event_id for event in events]
    return sorted(ids, key=lambda event_id: usage_partition(event_id, 4))


def emit_all(emitter: KafkaEmitter, events: Sequence[UsageRecorded]) -> None:
    """Emit events that have to be accepted."""
    assert all([emitter.emit(event) for event in events])


def printed(process: subprocess.Popen[str]) -> list[UUID]:
    """Return the ids that a process had accepted when it said that it was ready."""
    assert process.stdout is not None
    lines = iter(process.stdout.readline, "ready\n")
    return [UUID(line.strip()) for line in lines]


def soon(began: float) -> float:
    """Return how long a process may take to end that took since then to be ready.

    Less than the ten seconds for which it would wait for what does not come, and
    more on a machine that is slow just now.
    """
    return 8 + 2 * (monotonic() - began)


@pytest.mark.broker
@pytest.mark.parametrize("durability", ["memory", "spool"])
async def test_what_waits_on_disk_arrives_in_order_when_kafka_comes(
    emitters: Emitters, durability: str
) -> None:
    """Accepted while Kafka is away, then while it is there: all of it, in order."""
    events = some_events(6000)
    emitter = emitters.new(durability=durability)
    emit_all(emitter, events[:5000])
    await eventually_async(lambda: _spooled(emitter, 5000), 60)
    emit_all(emitter, events[5000:5500])
    async with emitters.kafka():
        emit_all(emitter, events[5500:])
        assert await emitter.aflush(90)
        assert await emitters.arrived() == by_partition(events)
        stats = emitter.stats()
        assert (stats.delivered, stats.pending, stats.lost) == (6000, 0, 0)
        assert (stats.spooled, stats.spool_bytes) == (0, 0)
        assert await emitter.aclose()
    assert emitters.left_over() == []


async def _spooled(emitter: KafkaEmitter, events: int) -> bool:
    assert emitter.stats().spooled == events
    return True


@pytest.mark.broker
@pytest.mark.parametrize("durability", ["memory", "spool"])
async def test_what_several_runs_left_arrives_by_partition(
    emitters: Emitters, durability: str
) -> None:
    """A service that restarts while Kafka is away loses nothing by it."""
    events = some_events(400)
    for run in range(3):
        emitter = emitters.new(durability=durability)
        emit_all(emitter, events[run * 100 : run * 100 + 100])
        await _finds(emitter, run * 100)
        assert await emitter.aclose(0.2)
        assert (emitter.stats().lost, emitter.stats().spooled) == (0, 100 * run + 100)
    async with emitters.kafka(), emitters.new(durability=durability) as last:
        emit_all(last, events[300:])
        await eventually_async(lambda: _all_delivered(last, 400), 60)
        assert last.stats().recovered == 300
    assert await emitters.arrived() == by_partition(events)
    assert emitters.left_over() == []


async def _finds(emitter: KafkaEmitter, events: int) -> None:
    async def found() -> bool:
        return emitter.stats().recovered == events

    await eventually_async(found, 60)


async def _all_delivered(emitter: KafkaEmitter, events: int) -> bool:
    stats = emitter.stats()
    assert (stats.delivered, stats.spooled) == (events, 0), stats
    return True


@pytest.mark.broker
async def test_a_living_process_sends_what_a_killed_one_left(
    emitters: Emitters,
) -> None:
    """Of two processes in one directory, the survivor sends for both, once."""
    with emitters.process("spool", "wait") as victim:
        accepted = printed(victim)
        living = emitters.new(durability="spool")
        events = some_events(100)
        emit_all(living, events)
        assert living.stats().recovered == 0
        victim.kill()
    async with emitters.kafka():
        await eventually_async(lambda: _all_delivered(living, 400), 60)
        await living.aclose()
    arrived = await emitters.arrived()
    assert sorted(arrived) == sorted([*accepted, *(e.event_id for e in events)])
    assert emitters.left_over() == []


@pytest.mark.broker
async def test_what_was_left_goes_to_the_topic_that_it_was_for(
    emitters: Emitters, tmp_path: Path
) -> None:
    """Two installations may share a directory; neither sends for the other."""
    async with emitters.kafka():
        other = KafkaEmitter(
            "127.0.0.1:1", Topics(prefix="other."), spool_dir=tmp_path / "spool"
        )
        emit_all(other, some_events(10))
        assert await other.aclose()
        async with emitters.new() as ours:
            emit_all(ours, events := some_events(10))
            assert await ours.aflush(90)
            assert ours.stats().recovered == 0
    assert await emitters.arrived() == by_partition(events)


@pytest.mark.broker
@pytest.mark.parametrize("ending", ["sigterm", "own handler", "end"])
async def test_however_a_process_ends_what_waits_is_left_on_disk(
    emitters: Emitters, ending: str
) -> None:
    """At SIGTERM, by its own handler too, and at a normal end nothing is lost."""
    began = monotonic()
    with emitters.process("memory", ending) as process:
        accepted, limit = printed(process), soon(began)
        if ending != "end":
            process.send_signal(signal.SIGTERM)
        codes = {"sigterm": -signal.SIGTERM, "own handler": 7, "end": 0}
        assert await asyncio.to_thread(process.wait, limit) == codes[ending]
    async with emitters.kafka(), emitters.new() as next_one:
        await eventually_async(lambda: _all_delivered(next_one, 300), 60)
    assert sorted(await emitters.arrived()) == sorted(accepted)


@pytest.mark.broker
async def test_sigterm_in_the_middle_of_writing_ends_the_process(
    emitters: Emitters,
) -> None:
    """A handler that interrupts a write waits for nobody who waits for that write."""
    async with emitters.kafka():
        for _ in range(3):
            began = monotonic()
            with emitters.process("spool", "busy") as process:
                assert len(await asyncio.to_thread(printed, process)) == 300
                limit = soon(began)
                process.terminate()
                assert await asyncio.to_thread(process.wait, limit) == -signal.SIGTERM
        await emitters.drained()


@pytest.mark.broker
async def test_forked_children_spool_for_themselves(emitters: Emitters) -> None:
    """Forked while the parent writes to disk, each sends its own."""
    async with emitters.kafka():
        with emitters.process("spool", "fork") as process:
            accepted = await asyncio.to_thread(printed, process)
            assert len(accepted) == 300
            process.terminate()
            assert await asyncio.to_thread(process.wait, 20) == -signal.SIGTERM
        await emitters.drained()
    assert len(set(await emitters.arrived())) == 310


@pytest.mark.broker
@pytest.mark.parametrize("durability", ["memory", "spool"])
async def test_a_full_spool_refuses_the_newest(
    emitters: Emitters, durability: str
) -> None:
    """What was accepted before arrives, what came after was refused and counted."""
    emitter = emitters.new(
        durability=durability, spool_max_bytes=20_000, max_pending=50
    )
    events: list[UsageRecorded] = []
    answers: list[bool] = []

    async def refused() -> bool:
        events.extend(some_events(20))
        answers.extend(map(emitter.emit, events[-20:]))
        return emitter.stats().refused.get("spool_full", 0) > 50

    await eventually_async(refused, 60)
    accepted = [event for event, taken in zip(events, answers, strict=True) if taken]
    assert sum(emitter.stats().refused.values()) == len(events) - len(accepted)
    assert answers[-1] is False
    async with emitters.kafka():
        assert await emitter.aflush(90)
        assert emitter.emit(events[-1])
        assert await emitter.aflush(90)
        assert await emitter.aclose()
    assert await emitters.arrived() == by_partition([*accepted, events[-1]])


@pytest.mark.broker
async def test_who_waits_for_kafka_waits_for_kafka_not_for_the_disk(
    emitters: Emitters,
) -> None:
    """`deliver` and `flush` return when Kafka has it, whatever the disk has."""
    emitter = emitters.new()
    events = some_events(300)
    emit_all(emitter, events[:100])
    flushing = asyncio.create_task(emitter.aflush(90))
    delivering = asyncio.create_task(emitter.deliver(events[100:200]))
    await eventually_async(lambda: _spooled(emitter, 100), 60)
    emit_all(emitter, events[200:])
    await eventually_async(lambda: _spooled(emitter, 200), 60)
    assert not flushing.done()
    assert not delivering.done()
    async with emitters.kafka():
        assert await flushing
        await delivering
        arrived = set(await emitters.arrived())
        assert {event.event_id for event in events[:200]} <= arrived
        assert await emitter.aflush(90)
        assert await emitter.aclose()
    assert len(await emitters.arrived()) == 300


@pytest.mark.broker
async def test_what_kafka_never_takes_does_not_stay_on_disk_for_ever(
    emitters: Emitters, bootstrap: str
) -> None:
    """An event too large for the topic is given up, and what is behind it arrives."""
    small = Topics(prefix=emitters.topics.prefix + "small.", partitions=4)
    await create_small_topic(bootstrap, small)
    emitters.topics = small
    events = some_events(20)
    unsendable = a_usage(tags={f"{n}" * 100: "x" * 256 for n in range(8)})
    async with emitters.kafka():
        emitter = emitters.new(durability="spool", compression=None)
        emit_all(emitter, [*events[:10], unsendable, *events[10:]])
        await eventually_async(lambda: _settled(emitter, 20, 1), 60)
        assert not await emitter.aclose()
    assert sorted(await emitters.arrived()) == sorted(e.event_id for e in events)
    assert emitters.left_over() == []


async def _settled(emitter: KafkaEmitter, delivered: int, lost: int) -> bool:
    stats = emitter.stats()
    assert (stats.delivered, stats.lost, stats.spooled) == (delivered, lost, 0), stats
    return True


def test_nobody_asks_kafka_before_there_is_something_to_send(tmp_path: Path) -> None:
    """A directory that was never used starts nothing, one that was used does."""
    before = set(threading.enumerate())
    emitter = KafkaEmitter("127.0.0.1:1", spool_dir=tmp_path, flush_on_sigterm=False)
    started = set(threading.enumerate()) - before
    assert "taximeter-emitter" not in {thread.name for thread in started}
    assert emitter.emit(a_usage())
    assert emitter.close(0.1)
    heir = KafkaEmitter("127.0.0.1:1", spool_dir=tmp_path, flush_on_sigterm=False)
    eventually(lambda: heir.stats().recovered == 1)
    assert heir.close(0.1)


def test_a_spool_needs_a_directory() -> None:
    """Durability "spool" without a place for it is a mistake of the program."""
    with pytest.raises(ConfigurationError):
        KafkaEmitter("127.0.0.1:1", durability="spool", flush_on_sigterm=False)


async def test_without_a_directory_that_works_memory_is_what_there_is(
    tmp_path: Path,
) -> None:
    """With durability "memory" a spool that fails costs nothing but itself."""
    (tmp_path / "file").write_text("")
    emitter = KafkaEmitter(
        "127.0.0.1:1",
        spool_dir=tmp_path / "file",
        max_pending=10,
        flush_on_sigterm=False,
    )
    assert [emitter.emit(a_usage()) for _ in range(11)].count(True) == 10

    async def failed() -> bool:
        assert not emitter.emit(a_usage())
        return "spool_failed" in emitter.stats().refused

    await eventually_async(failed)
    with pytest.raises(BufferFull):
        await emitter.deliver([a_usage()])
    assert not await emitter.aclose(0.1)
    assert emitter.stats().lost == 10


def test_without_a_directory_that_works_durability_spool_refuses(
    tmp_path: Path,
) -> None:
    """What cannot be put on disk first is not accepted, and nothing is raised."""
    (tmp_path / "file").write_text("")
    emitter = KafkaEmitter(
        "127.0.0.1:1",
        spool_dir=tmp_path / "file",
        durability="spool",
        flush_on_sigterm=False,
    )
    assert not any(emitter.emit(a_usage()) for _ in range(10))
    assert emitter.stats().refused == {"spool_failed": 10}
    assert emitter.close(0.1)
    assert not emitter.emit(a_usage())


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_threads_that_emit_and_fork_do_not_lock_each_other_up(
    tmp_path: Path,
) -> None:
    """A child forked in the middle of other threads' writing can write itself."""
    emitter = KafkaEmitter(
        "127.0.0.1:1", spool_dir=tmp_path, durability="spool", flush_on_sigterm=False
    )
    over = threading.Event()

    def emit() -> None:
        while not over.is_set():
            emitter.emit(a_usage())

    threads = [threading.Thread(target=emit) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        children = [_forked(emitter) for _ in range(40)]
        for child in children:
            eventually(lambda child=child: _ended_well(child), 60)  # type: ignore[misc]
    finally:
        over.set()
        for thread in threads:
            thread.join()
    eventually(lambda: emitter.stats().recovered == 40, 60)
    assert emitter.close(0.1)


def _forked(emitter: KafkaEmitter) -> int:
    pid = os.fork()
    if pid == 0:  # emit never raises: no child returns from here
        os._exit(0 if emitter.emit(a_usage()) else 1)
    return pid


def _ended_well(child: int) -> bool:
    return os.waitpid(child, os.WNOHANG) == (child, 0)
