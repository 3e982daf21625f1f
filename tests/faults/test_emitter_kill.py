"""Emitters killed at any moment: what they had accepted, and what that is worth.

`spool` loses nothing, `memory` at most what it held in memory.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from uuid import UUID

import pytest

from taximeter.broker.admin import ensure_topics
from taximeter.broker.ports import free_port
from taximeter_producers.kafka import KafkaEmitter
from taximeter_schemas.records import encode_event
from taximeter_schemas.topics import Topics
from taximeter_schemas.usage import UsageRecorded
from tests.builders import a_usage
from tests.faults.books import assert_books
from tests.faults.installations import Installation
from tests.faults.own_broker import own_broker
from tests.faults.stream import LONG, SEED, Stream, a_stream
from tests.integration.producers.usage_topic import in_kafka
from tests.running_system import environment
from tests.waiting import eventually, eventually_async

pytestmark = pytest.mark.broker

KILLS = 6 if LONG else 2

_PROGRAM = Path(__file__).with_name("emitting_process.py")


@dataclass(frozen=True)
class Held:
    """What an emitter held when it had accepted one more event."""

    in_memory: int
    on_disk: int


class Victim:
    """One emitting process, with what it printed in a file."""

    def __init__(self, out: Path, *arguments: str) -> None:
        self._out = out
        path = os.pathsep.join([str(Path.cwd()), *sys.path])
        with out.open("wb") as stdout:
            self.process = subprocess.Popen(
                [sys.executable, str(_PROGRAM), *arguments],
                stdout=stdout,
                env=environment() | {"PYTHONPATH": path},
            )

    def accepted(self) -> list[Held]:
        """Return what it said of each event; a line that was cut short is not said."""
        whole, _, _ = self._out.read_text().rpartition("\n")
        return [Held(*map(int, line.split())) for line in whole.splitlines()]

    def killed_after(self, events: int) -> list[Held]:
        """Kill it once it accepted so many; return what it said of all."""
        eventually(lambda: len(self.accepted()) >= events, 120)
        self.process.kill()
        self.process.wait()
        return self.accepted()


class Service:
    """A service whose processes, one after the other, emit a stream and are killed."""

    def __init__(self, place: Installation, stream: Stream) -> None:
        self.bootstrap = place.side.bootstrap
        self.topics = place.side.topics
        self.stream = stream
        self.spool_dir = place.home / "spool"
        self._home = place.home
        self._runs = 0
        self._events = place.home / "events"
        lines = [encode_event(call) + b"\n" for call in stream.sent]
        self._events.write_bytes(b"".join(lines))

    @contextmanager
    def process(
        self,
        durability: str,
        events: tuple[int, int],
        *,
        spool: bool = True,
        kafka: bool = True,
    ) -> Iterator[Victim]:
        """Run a process that emits so many events, from one on, and waits."""
        self._runs += 1
        victim = Victim(
            self._home / f"run-{self._runs}",
            self.bootstrap if kafka else f"127.0.0.1:{free_port()}",
            self.topics.prefix,
            durability,
            str(self.spool_dir) if spool else "",
            str(self._events),
            *map(str, events),
        )
        try:
            yield victim
        finally:
            victim.process.kill()
            victim.process.wait()

    async def finish(self, events: Sequence[UsageRecorded] = ()) -> None:
        """Start the service once more; it emits these, and sends what it finds.

        In the end there are files of its own, one or two: the next one is made before
        the current one is full.
        """
        async with KafkaEmitter(
            self.bootstrap, self.topics, spool_dir=self.spool_dir, durability="spool"
        ) as last:
            assert all([last.emit(event) for event in events])

            async def all_sent() -> bool:
                assert last.stats().pending == 0
                left = self.spool_dir.rglob("*.spool")
                return len({file.name.partition(".")[0] for file in left}) == 1

            await eventually_async(all_sent, 120)
            assert last.stats().lost == 0

    async def arrived(self) -> set[UUID]:
        """Return the ids that are in Kafka, however often."""
        return {e.event_id for e in await in_kafka(self.bootstrap, self.topics)}


@pytest.mark.long
async def test_with_a_spool_whatever_was_accepted_is_charged_once(
    place: Installation,
) -> None:
    """Killed again and again, with Kafka and without: nothing lost, nothing twice."""
    stream, chance = a_stream(4_000), Random(SEED)
    service = Service(place, stream)
    await place.side.define(*stream.budgets)
    place.workers.start().ready()
    start, share = 0, len(stream.sent) // KILLS
    for kill in range(KILLS):
        with service.process("spool", (start, share), kafka=kill % 2 == 0) as victim:
            due = chance.randrange(share // 2, share)
            start += len(await asyncio.to_thread(victim.killed_after, due))
    await service.finish(stream.sent[start:])
    await assert_books(place, stream)


async def test_without_a_spool_at_most_what_was_in_memory_is_lost(
    place: Installation,
) -> None:
    """`memory` loses the events that it held when it was killed, and no others."""
    stream = a_stream(4_000)
    service, half = Service(place, stream), len(stream.sent) // 2
    with service.process("memory", (0, 2 * half), spool=False) as victim:
        said = await asyncio.to_thread(victim.killed_after, half)
    accepted = {call.event_id for call in stream.sent[: len(said)]}
    assert len(accepted - await service.arrived()) <= said[-1].in_memory + 1


async def test_with_a_directory_what_memory_held_for_long_is_not_lost(
    place: Installation,
) -> None:
    """Kafka away, `memory` loses what had not gone to disk yet, and no more."""
    stream = Stream(calls := a_stream(4_000).calls, calls)
    service = Service(place, stream)
    with service.process("memory", (0, len(calls)), kafka=False) as victim:
        eventually(lambda: any(each.on_disk for each in victim.accepted()), 60)
        said = await asyncio.to_thread(victim.killed_after, 1)
    await service.finish()
    arrived = await service.arrived()
    accepted = [call.event_id for call in calls[: len(said)]]
    lost = [event_id for event_id in accepted if event_id not in arrived]
    assert len(lost) <= said[-1].in_memory + 1
    # The oldest go to disk first.
    assert lost == accepted[len(accepted) - len(lost) :]


@pytest.mark.long
async def test_a_broker_that_freezes_and_dies_costs_nothing(tmp_path: Path) -> None:
    """What is under way goes to disk and arrives, in the end, without a restart."""
    topics = Topics(prefix="frozen.", partitions=4)
    events = [a_usage() for _ in range(6_000)]
    async with own_broker(tmp_path / "kafka") as broker:
        await ensure_topics(broker.bootstrap, topics)
        async with KafkaEmitter(
            broker.bootstrap, topics, spool_dir=tmp_path / "spool"
        ) as emitter:
            assert all([emitter.emit(event) for event in events[:2_000]])
            assert await emitter.aflush(30)
            broker.freeze()
            assert all([emitter.emit(event) for event in events[2_000:4_000]])
            await eventually_async(lambda: _on_disk(emitter, 2_000), 30)
            broker.kill()
            assert all([emitter.emit(event) for event in events[4_000:]])
            await eventually_async(lambda: _on_disk(emitter, 4_000), 30)
            await broker.start()
            assert await emitter.aflush(120)
        assert emitter.stats().delivered == 6_000
        arrived = await in_kafka(broker.bootstrap, topics)
    assert {e.event_id for e in arrived} == {e.event_id for e in events}


async def _on_disk(emitter: KafkaEmitter, events: int) -> bool:
    assert emitter.stats().spooled == events, emitter.stats()
    return True
