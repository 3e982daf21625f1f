"""The agent that prices usage events and keeps each source partition's sums."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec

from taximeter_processors.dedupe import IDS_PREFIX
from taximeter_processors.kafka import (
    TRANSIENT,
    Batches,
    LogRecord,
    Writer,
    first_offset,
    read_log,
    written_offset,
)
from taximeter_processors.meter import Flush, PartitionMeter, Progress, UsageRecord
from taximeter_processors.price_versions import PriceBooks
from taximeter_processors.recount import Recount
from taximeter_processors.settling import spend_records
from taximeter_processors.sums import PROGRESS_KEY
from taximeter_processors.tables import PartitionTable
from taximeter_schemas.fault_points import reached
from taximeter_schemas.lost_connections import lost_is_an_error
from taximeter_schemas.records import PACKED_HEADER, usage_key, usage_partition
from taximeter_schemas.topics import Topics

__all__ = ["PricingPartition", "open_pricing_partition"]

log = logging.getLogger(__name__)

_AGENT = "price_usage"
_RECOUNT_AGAIN_SECONDS = 5.0
_COUNT_DIGITS = 6


class PricingPartition:
    """One partition of `usage` in work."""

    def __init__(
        self,
        topics: Topics,
        partition: int,
        table: PartitionTable,
        meter: PartitionMeter,
        writer: Writer,
        bootstrap: str,
    ) -> None:
        self.meter = meter
        self._bootstrap = bootstrap
        self._recounting: asyncio.Task[None] | None = None
        self._topics = topics
        self._partition = partition
        self._table = table
        self._writer = writer

    @property
    def next_offset(self) -> int:
        """The offset of the next record to apply."""
        return self.meter.next_offset

    @property
    def unflushed_events(self) -> int:
        """How many events were applied since the last flush."""
        return self.meter.unflushed_events

    @property
    def stored_rows(self) -> int:
        """How many rows the partition's spend table has."""
        return len(self._table.rows)

    @property
    def has_moved(self) -> bool:
        """Tell whether there is anything to flush."""
        return self.meter.has_moved

    @property
    def is_awaited(self) -> bool:
        """Nobody waits for one charge more than for another."""
        return False

    def pass_to(self, offset: int) -> None:
        """Take note that nothing more stands before this offset."""
        self.meter.pass_to(offset)

    def apply(self, record: LogRecord) -> None:
        """Price one usage record and add it up."""
        self.meter.apply(_usage_record(record))

    async def flush(self) -> int:
        """Write down what was applied since the last flush; return how many rows.

        1. What may be repeated: partial sums, which are absolute, and events for
           another partition, which know their twins. A crash behind this repeats it.
        2. In one transaction, what may not: charges, dead letters, the rows and the
           progress. A crash before its end undoes it whole.
        """
        reached(_AGENT, "flushing")
        flush = self.meter.flush()
        await self._writer.write(self._repeatable(flush))
        reached(_AGENT, "repeated")
        await self._table.write(flush.rows, self._once(flush), flush.ids)
        self.meter.flushed()
        self.recount()
        return len(flush.rows)

    def count_kinds(self, kinds: frozenset[str]) -> None:
        """Keep spend for these kinds of subject too."""
        self.meter.count_kinds(kinds)

    def recount(self) -> None:
        """Read back, beside all else, what kinds lack that are counted of late."""
        if self.meter.uncounted and self._recounting is None:
            self._recounting = asyncio.create_task(self._recount())

    async def close(self) -> None:
        """Let the partition go."""
        if self._recounting is not None:
            self._recounting.cancel()
            await asyncio.gather(self._recounting, return_exceptions=True)
        await self._table.close()

    async def _recount(self) -> None:
        kinds = self.meter.uncounted
        recount = Recount(kinds)
        try:
            with lost_is_an_error():
                await self._read_charges(recount)
        except TRANSIENT as error:
            log.warning("%s: recounting failed, trying again: %r", self._place, error)
            await asyncio.sleep(_RECOUNT_AGAIN_SECONDS)
        else:
            for kind, since in kinds.items():
                self.meter.recounted(kind, since, recount.sums[kind])
            log.info("%s: recounted for %s", self._place, ", ".join(kinds))
        self._recounting = None
        self.recount()

    async def _read_charges(self, recount: Recount) -> None:
        charges, place = self._topics.charges.name, self._partition
        # What the last flush charged is committed, but perhaps not to be read yet.
        end = await written_offset(self._bootstrap, charges, place)
        log_of = read_log(self._bootstrap, charges, place, end=end, wait=True)
        async for records in log_of:
            for record in records:
                try:
                    recount.take(record.value or b"[]")
                except (msgspec.MsgspecError, ValueError) as error:  # nobody's but ours
                    log.error("%s/%d: %s", charges, record.offset, error)
                await asyncio.sleep(0)  # pricing goes on meanwhile

    @property
    def _place(self) -> str:
        return f"{self._topics.usage.name}/{self._partition}"

    def _once(self, flush: Flush) -> Batches:
        charges, letters = self._topics.charges.name, self._topics.dead_letters.name
        return {
            (charges, self._partition): flush.charges,
            (letters, 0): [
                (letter.key, letter.model_dump_json().encode())
                for letter in flush.dead_letters
            ],
        }

    def _repeatable(self, flush: Flush) -> Batches:
        usage, spend = self._topics.usage.name, self._topics.spend.name
        batches: dict[tuple[str, int], list[tuple[bytes | None, bytes | None]]] = {}
        for event in flush.misplaced:
            own = usage_partition(event.event_id, self._topics.partitions)
            record = usage_key(event.event_id), event.encoded
            batches.setdefault((usage, own), []).append(record)
        key = str(self._partition).encode()
        to_owners = spend_records(
            self._partition, flush.advanced, flush.settled, self._topics.partitions
        )
        for owner, records in to_owners.items():
            batches[spend, owner] = [(key, record) for record in records]
        return batches


async def open_pricing_partition(
    bootstrap: str,
    topics: Topics,
    books: PriceBooks,
    writer: Writer,
    horizon: timedelta,
    kinds: Callable[[], frozenset[str]],
    partition: int,
) -> PricingPartition:
    """Take a partition over: fence, read its rows and the ids that it knows back."""
    owner = f"{topics.usage.name}-{partition}"
    changelog = topics.spend_table.name
    table = PartitionTable(bootstrap, changelog, partition, owner, _AGENT, IDS_PREFIX)
    try:
        await table.open()
        progress = await _progress(bootstrap, topics, table, partition)
        meter = PartitionMeter(
            topics.usage.name,
            partition,
            topics.partitions,
            books.known_at,
            table.rows,
            progress,
            horizon,
        )
        meter.remember(table.take_aside())
    except BaseException:
        await table.close()
        raise
    log.info(
        "usage/%d: from offset %d, %d rows, %d ids remembered",
        partition,
        meter.next_offset,
        len(table.rows),
        meter.remembered_ids,
    )
    work = PricingPartition(topics, partition, table, meter, writer, bootstrap)
    work.count_kinds(kinds())
    work.recount()
    return work


async def _progress(
    bootstrap: str, topics: Topics, table: PartitionTable, partition: int
) -> Progress:
    first = await first_offset(bootstrap, topics.usage.name, partition)
    stored = table.rows.get(PROGRESS_KEY)
    if stored is None:
        return Progress(first)
    progress = Progress.decode(stored)
    if progress.next_offset < first:
        log.error(
            "usage/%d: the broker dropped offsets %d to %d before they were priced: "
            "raise the topic's retention, or keep workers running",
            partition,
            progress.next_offset,
            first - 1,
        )
        return Progress(first)
    return progress


def _usage_record(record: LogRecord) -> UsageRecord:
    return UsageRecord(
        record.offset,
        record.value,
        datetime.fromtimestamp(record.timestamp / 1000, UTC),
        _count(dict(record.headers).get(PACKED_HEADER)),
    )


def _count(header: bytes | None) -> int | None:
    if header and len(header) <= _COUNT_DIGITS and header.isdigit():
        return int(header)
    return None  # somebody else's header: no reason to trust it, nor to fail
