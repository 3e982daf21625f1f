"""Usage records sent as fast as Kafka takes them, and waiting until they are priced."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import islice
from typing import Final, TypeVar

from taximeter.bench.stage import Part, Stage, until
from taximeter.bench.traffic import PackedRecord, Traffic
from taximeter_processors.kafka import Headers, Writer
from taximeter_schemas.partitioning import partition_of
from taximeter_schemas.records import PACKED_HEADER

__all__ = ["Feed", "feeding"]

T = TypeVar("T")

_AT_ONCE: Final = 200
_WARM_UP_EVENTS: Final = 1_000


class Feed:
    """Sends to one stage's `usage` topic, and knows how far a worker has to get."""

    def __init__(self, stage: Stage, writer: Writer) -> None:
        self._topics = stage.topics
        self._writer = writer
        self._sent = [0] * stage.topics.partitions
        self.events = 0

    async def send(self, records: Iterable[PackedRecord]) -> None:
        """Send packed records; return when Kafka has all of them."""
        header = [(PACKED_HEADER, str(self._topics.partitions).encode())]
        name = self._topics.usage.name
        for some in _chunks(records):
            await self._write(
                name, [(r.partition, None, r.value) for r in some], header
            )
            self.events += sum(record.events for record in some)

    async def send_singly(self, traffic: Traffic, first: int, count: int) -> None:
        """Send events one a record, as any Kafka client could."""
        name, partitions = self._topics.usage.name, self._topics.partitions
        events = [traffic.event(number) for number in range(first, first + count)]
        keys = [str(event.event_id).encode() for event in events]
        values = [traffic.encoded(number) for number in range(first, first + count)]
        records = [
            (partition_of(key, partitions), key, value)
            for key, value in zip(keys, values, strict=True)
        ]
        await self._write(name, records)
        self.events += count

    async def warm_up(self, worker: Part, traffic: Traffic) -> None:
        """Send a little, and wait for it: then every partition is open and in work.

        What comes afterwards goes through Faust; before, it would be read as the
        backlog of a partition that is taken over.
        """
        partitions = self._topics.partitions
        before = -_WARM_UP_EVENTS  # calls before the first one that is measured
        await self.send(traffic.packed(before, _WARM_UP_EVENTS, partitions))
        await self.applied(worker)

    async def applied(self, worker: Part) -> datetime:
        """Wait until all that was sent is priced; return when its flush was through."""

        def reached() -> bool:
            progress = worker.facts.get("progress", {})
            return all(
                progress.get(str(partition), 0) >= sent
                for partition, sent in enumerate(self._sent)
            )

        patience = 60 + self.events / 500
        await until(reached, f"{self.events} events priced", patience)
        return datetime.fromisoformat(worker.facts["last_flush_at"])

    async def _write(
        self,
        topic: str,
        records: Sequence[tuple[int, bytes | None, bytes]],
        headers: Headers = (),
    ) -> None:
        batches: dict[tuple[str, int], list[tuple[bytes | None, bytes | None]]] = {}
        for partition, key, value in records:
            batches.setdefault((topic, partition), []).append((key, value))
            self._sent[partition] += 1
        await self._writer.write(batches, headers)


@asynccontextmanager
async def feeding(stage: Stage) -> AsyncIterator[Feed]:
    """Give a feed for as long as the block runs."""
    writer = Writer(stage.bootstrap, "taximeter-bench")
    try:
        yield Feed(stage, writer)
    finally:
        await writer.close()


def _chunks(items: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(items)
    while some := list(islice(rest, _AT_ONCE)):
        yield some
