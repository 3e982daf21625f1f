"""The agent that merges partial sums and raises budget alerts."""

from __future__ import annotations

import logging

import msgspec

from taximeter_processors.attention import AttentionRules
from taximeter_processors.budgets import BudgetBook, BudgetFlush
from taximeter_processors.kafka import Batches, LogRecord, first_offset
from taximeter_processors.meter import Progress
from taximeter_processors.sums import PROGRESS_KEY
from taximeter_processors.tables import PartitionTable
from taximeter_schemas.alerts import alert_key
from taximeter_schemas.budgets import BudgetEvent
from taximeter_schemas.clock import Clock
from taximeter_schemas.fault_points import reached
from taximeter_schemas.spend import PartialRow
from taximeter_schemas.topics import Topics

__all__ = ["WatchPartition", "open_watch_partition"]

log = logging.getLogger(__name__)

_AGENT = "watch_budgets"


class _Advanced(msgspec.Struct, gc=False):
    """A `SpendAdvanced` as far as it is needed, read quickly."""

    source_partition: int
    rows: list[PartialRow]


_advanced = msgspec.json.Decoder(_Advanced)


class WatchPartition:
    """One partition of `spend` in work: the subjects that it owns."""

    def __init__(
        self,
        topics: Topics,
        partition: int,
        table: PartitionTable,
        next_offset: int,
        clock: Clock,
        rules: AttentionRules,
    ) -> None:
        self.book = BudgetBook(table.rows, rules=rules)
        self.next_offset = self._flushed_offset = next_offset
        self.unflushed_events = 0
        self._topics = topics
        self._partition = partition
        self._table = table
        self._clock = clock
        self._closed = False

    @property
    def has_moved(self) -> bool:
        """Tell whether there is anything to flush."""
        if self.next_offset > self._flushed_offset:
            return True
        return self.book.has_changed(self._clock.now())

    def pass_to(self, offset: int) -> None:
        """Take note that nothing more stands before this offset."""
        self.next_offset = max(self.next_offset, offset)

    def apply(self, record: LogRecord) -> None:
        """Merge the partial sums of one record."""
        self.next_offset = record.offset + 1
        try:
            advanced = _advanced.decode(record.value or b"")
        except (msgspec.MsgspecError, ValueError) as error:
            # Nobody but the pricing agent writes here; what it lost is said again
            # by its next partial, which is absolute.
            log.error("spend/%d@%d: %s", self._partition, record.offset, error)
            return
        for row in advanced.rows:
            self.book.take(advanced.source_partition, row)
        self.unflushed_events += len(advanced.rows)

    def tick(self) -> None:
        """See what is due by the time alone; whoever let it go need not look."""
        if not self._closed:
            self.book.tick(self._clock.now())

    async def flush(self) -> int:
        """Write alerts with their latches, statuses and rows, all or nothing."""
        reached(_AGENT, "flushing")
        flush = self.book.flush(self._clock.now())
        rows = [*flush.rows, (PROGRESS_KEY, Progress(self.next_offset).encode())]
        self._flushed_offset = self.next_offset
        self.unflushed_events = 0
        await self._table.write(rows, self._batches(flush))
        self.book.flushed()
        return len(rows)

    def learn(self, *events: BudgetEvent) -> None:
        """Take budget definitions in; whoever let the partition go need not know."""
        if not self._closed:
            self.book.learn(*events)

    async def close(self) -> None:
        """Let the partition go."""
        self._closed = True
        await self._table.close()

    def _batches(self, flush: BudgetFlush) -> Batches:
        alerts, status = (
            self._topics.budget_alerts.name,
            self._topics.budget_status.name,
        )
        return {
            (alerts, self._partition): [
                (alert_key(alert), alert.model_dump_json().encode())
                for alert in (*flush.alerts, *flush.others)
            ],
            (status, self._partition): flush.statuses,
        }


async def open_watch_partition(
    bootstrap: str,
    topics: Topics,
    partition: int,
    clock: Clock,
    rules: AttentionRules,
) -> WatchPartition:
    """Take a partition over: fence, read its rows back."""
    writer = f"{topics.spend.name}-{partition}"
    changelog = topics.budget_table.name
    table = PartitionTable(bootstrap, changelog, partition, writer, _AGENT)
    try:
        await table.open()
        stored = table.rows.get(PROGRESS_KEY)
        next_offset = (
            Progress.decode(stored).next_offset
            if stored
            else await first_offset(bootstrap, topics.spend.name, partition)
        )
    except BaseException:
        await table.close()
        raise
    return WatchPartition(topics, partition, table, next_offset, clock, rules)
