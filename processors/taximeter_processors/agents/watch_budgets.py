"""The agent that merges partial sums and raises budget alerts."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from pydantic import ValidationError

from taximeter_processors.attention import AttentionRules
from taximeter_processors.budgets import BudgetBook, BudgetFlush
from taximeter_processors.holds import HOLDS_PREFIX, Place
from taximeter_processors.kafka import Batches, LogRecord, first_offset
from taximeter_processors.meter import Progress
from taximeter_processors.reservations import Reservations, Standing
from taximeter_processors.sums import PROGRESS_KEY
from taximeter_processors.tables import PartitionTable
from taximeter_processors.windows import window_start
from taximeter_schemas.alerts import alert_key
from taximeter_schemas.budgets import BudgetEvent
from taximeter_schemas.clock import Clock
from taximeter_schemas.fault_points import reached
from taximeter_schemas.records import explained
from taximeter_schemas.reservations import (
    ReservationRequested,
    reservation_event_adapter,
)
from taximeter_schemas.spend import PartialRow
from taximeter_schemas.topics import Topics

__all__ = ["WatchPartition", "open_watch_partition"]

log = logging.getLogger(__name__)

_AGENT = "watch_budgets"


class _Advanced(msgspec.Struct, gc=False):
    """A `SpendAdvanced` as far as it is needed, read quickly."""

    source_partition: int
    rows: list[PartialRow]
    settled: list[UUID] = []


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
        self._reservations = Reservations(table.take_aside())
        held = self._reservations.held
        self.book = BudgetBook(table.rows, rules=rules, held=held)
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
        held = self._reservations.has_changed(self._clock.now())
        return held or self.book.has_changed

    @property
    def is_awaited(self) -> bool:
        """Tell whether somebody waits for an answer that a flush makes visible."""
        return self._reservations.is_awaited

    def pass_to(self, offset: int) -> None:
        """Take note that nothing more stands before this offset."""
        self.next_offset = max(self.next_offset, offset)

    def apply(self, record: LogRecord) -> None:
        """Merge the partial sums of one record, or decide about a request."""
        self.next_offset = record.offset + 1
        value = record.value or b""
        try:
            self._advance(_advanced.decode(value))
        except (msgspec.MsgspecError, ValueError):
            self._apply_request(value, record.offset)

    def _advance(self, advanced: _Advanced) -> None:
        for row in advanced.rows:
            self.book.take(advanced.source_partition, row)
        # The charges of these are counted as of this very moment.
        self._reservations.end(advanced.settled, self._clock.now())
        self.unflushed_events += len(advanced.rows)

    def tick(self) -> None:
        """See what is due by the time alone; whoever let it go need not look."""
        if not self._closed:
            self.book.tick(self._clock.now())

    def _apply_request(self, value: bytes, offset: int) -> None:
        try:
            event = reservation_event_adapter.validate_json(value)
        except ValidationError as error:
            # Of what the pricing agent lost, its next partial says all again, for it
            # is absolute; whoever asked for something nobody can read, asks in vain.
            log.error("spend/%d@%d: %s", self._partition, offset, explained(error))
            return
        now = self._clock.now()
        if isinstance(event, ReservationRequested):
            self._reservations.ask(event, self._standing(event, now), now)
        else:
            self._reservations.end([event.reservation_id], now)
        self.unflushed_events += 1

    def _standing(self, asked: ReservationRequested, now: datetime) -> Standing | None:
        present = window_start(now)
        account = self.book.account(asked.budget_id, asked.subject, present)
        if account is None or account.limit is None:
            return None
        used = account.used_at(present)
        return Standing(used, account.limit, account.budget.unit)

    async def flush(self) -> int:
        """Write alerts with their latches, statuses and rows, all or nothing."""
        reached(_AGENT, "flushing")
        now = self._clock.now()
        reserved = self._reservations.flush(now)
        self._say_again(reserved.moved, now)
        flush = self.book.flush(now)
        rows = [*flush.rows, (PROGRESS_KEY, Progress(self.next_offset).encode())]
        self._flushed_offset = self.next_offset
        self.unflushed_events = 0
        batches = self._batches(flush, reserved.answers)
        await self._table.write(rows, batches, reserved.rows)
        self.book.flushed()
        return len(rows) + len(reserved.rows)

    def _say_again(self, moved: set[Place], now: datetime) -> None:
        for budget_id, subject, began in moved:
            for window in {began, window_start(now)}:
                account = self.book.account(budget_id, subject, window)
                if account is not None:
                    self.book.say_again(account)

    def learn(self, *events: BudgetEvent) -> None:
        """Take budget definitions in; whoever let the partition go need not know."""
        if not self._closed:
            self.book.learn(*events)

    async def close(self) -> None:
        """Let the partition go."""
        self._closed = True
        await self._table.close()

    def _batches(
        self, flush: BudgetFlush, answers: Sequence[tuple[bytes, bytes]]
    ) -> Batches:
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
            (self._topics.reservation_answers.name, self._partition): answers,
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
    table = PartitionTable(
        bootstrap, changelog, partition, writer, _AGENT, HOLDS_PREFIX
    )
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
