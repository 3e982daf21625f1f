"""The meter of one source partition: from usage records to charges and sums.

Pure, so it needs no broker to be tested: records go in, in the order of their
offsets, and what is to be written comes out in one piece, to be written in one
transaction. Everything that it holds is a function of the log up to `next_offset`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple, cast
from uuid import UUID

from pydantic_core import from_json, to_json

from taximeter_processors.calls import Counting, Reading, Readings, read_usage
from taximeter_processors.charging import ChargeWriter, Pricer, amounts_of
from taximeter_processors.dedupe import DEFAULT_HORIZON, SeenIds
from taximeter_processors.kinds import KINDS_KEY, Kinds
from taximeter_processors.rows import Rows
from taximeter_processors.settling import settled_by
from taximeter_processors.sums import (
    PROGRESS_KEY,
    Added,
    AddedKey,
    PartialSums,
    stated,
)
from taximeter_schemas.dead_letters import DeadLetter
from taximeter_schemas.records import (
    Fault,
    Origin,
    dead_letter,
    packed,
    usage_partition,
)

__all__ = [
    "Flush",
    "MeterCounts",
    "Misplaced",
    "PartitionMeter",
    "Progress",
    "UsageRecord",
]


@dataclass(frozen=True, slots=True)
class UsageRecord:
    """One record of the `usage` topic.

    `placed_for` is the number of partitions for which our own emitter placed the
    record's events, or None when somebody else sent it.
    """

    offset: int
    value: bytes | None
    recorded_at: datetime
    placed_for: int | None = None


@dataclass(frozen=True)
class Progress:
    """How far a partition's records have been applied."""

    next_offset: int

    def encode(self) -> bytes:
        """Return the progress row's value."""
        return to_json([self.next_offset])

    @classmethod
    def decode(cls, value: bytes) -> Progress:
        """Read a progress row's value back.

        >>> Progress.decode(Progress(7).encode())
        Progress(next_offset=7)
        """
        next_offset, *_ = from_json(value)
        return cls(next_offset)


@dataclass
class MeterCounts:
    """What the meter saw since it was made; for people, not for money."""

    events: int = 0
    duplicates: int = 0
    unpriced: int = 0
    dead_letters: int = 0
    forwarded: int = 0


class Misplaced(NamedTuple):
    """An event that somebody put into another partition than its own, encoded."""

    event_id: UUID
    encoded: bytes


@dataclass
class Flush:
    """What is to be written, in one transaction, before the records are done.

    `charges` has a value for each usage record that had any: key, value. `rows` are
    the changed sums for the changelog, the progress row last; `advanced` are the same
    sums for those who own the subjects, by their partition of `spend`. `ids` are rows
    too, for the changelog alone: nobody looks them up. `settled` are the reservations
    whose calls are in these sums.
    """

    charges: list[tuple[bytes, bytes]] = field(
        default_factory=list[tuple[bytes, bytes]]
    )
    dead_letters: list[DeadLetter] = field(default_factory=list[DeadLetter])
    misplaced: list[Misplaced] = field(default_factory=list[Misplaced])
    rows: list[tuple[bytes, bytes]] = field(default_factory=list[tuple[bytes, bytes]])
    ids: list[tuple[bytes, bytes | None]] = field(
        default_factory=list[tuple[bytes, bytes | None]]
    )
    advanced: dict[int, list[bytes]] = field(default_factory=dict[int, list[bytes]])
    settled: list[UUID] = field(default_factory=list[UUID])


class PartitionMeter:
    """Prices and sums up one partition of `usage`.

    Args:
        topic: the usage topic's name, for the origin of dead letters.
        partition: which partition.
        partitions: how many there are.
        pricer_at: gives what prices the events of a record that Kafka took in then.
        stored: the partition's rows as of `progress`; whoever writes a flush down
            updates it with the flush's rows.
        progress: how far those rows go.
        horizon: how long an event id is remembered.
    """

    def __init__(
        self,
        topic: str,
        partition: int,
        partitions: int,
        pricer_at: Callable[[datetime], Pricer],
        stored: Rows,
        progress: Progress,
        horizon: timedelta = DEFAULT_HORIZON,
    ) -> None:
        self.counts = MeterCounts()
        self._topic = topic
        self._partition = partition
        self._partitions = partitions
        self._pricer_at = pricer_at
        self._next_offset = self._flushed_offset = progress.next_offset
        self._written_offset = progress.next_offset
        self._seen = SeenIds(horizon)
        self._sums = PartialSums(stored, partitions, progress.next_offset - 1)
        self._kinds = Kinds(stored.get(KINDS_KEY))
        self._count_kinds()
        self._pending = Flush()
        self._unflushed = 0

    @property
    def next_offset(self) -> int:
        """The offset behind the last record that was applied."""
        return self._next_offset

    @property
    def flushed_offset(self) -> int:
        """The offset behind the last record of the last flush."""
        return self._flushed_offset

    @property
    def unflushed_events(self) -> int:
        """How many events were applied since the last flush."""
        return self._unflushed

    @property
    def has_moved(self) -> bool:
        """Tell whether there is anything to flush."""
        return self._next_offset > self._flushed_offset or self._kinds.has_changed

    @property
    def remembered_ids(self) -> int:
        """How many event ids are in the dedupe memory."""
        return len(self._seen)

    def remember(self, ids: Iterable[tuple[bytes, bytes]]) -> None:
        """Put back the ids that earlier flushes wrote down, before the first `apply`.

        Args:
            ids: what stands of the rows that were the flushes' `ids`.
        """
        self._seen.restore(ids)

    def count_kinds(self, kinds: Iterable[str]) -> None:
        """Keep spend for these kinds of subject too, from the next flush on."""
        self._kinds.ask_for(kinds)

    @property
    def uncounted(self) -> dict[str, int]:
        """The kinds of which only what was charged from an offset on is in the sums.

        Those whose earlier charges are all written: what a flush that is under way
        charges cannot be read back yet.
        """
        return {
            kind: since
            for kind, (since, complete, _) in self._kinds.counted.items()
            if not complete and since <= self._written_offset
        }

    def recounted(self, kind: str, since: int, sums: Mapping[AddedKey, Added]) -> None:
        """Add what was charged for a kind's subjects before it was counted."""
        if self._kinds.complete(kind, since):
            self._sums.add_all(kind, sums)

    def apply(self, record: UsageRecord) -> None:
        """Apply the next record: each good event once, each fault as a dead letter."""
        self._seen.advance(record.recorded_at)
        readings = self._read(record)
        charges = self._charged(record, readings, self._counting(record, readings))
        if charges:
            key = f"{self._partition}:{record.offset}".encode()
            self._pending.charges.append((key, packed(charges)))
        self._next_offset = record.offset + 1
        self._unflushed += len(readings.events)

    def pass_to(self, offset: int) -> None:
        """Take note that no record stands before this offset any more."""
        self._next_offset = max(self._next_offset, offset)

    def flush(self) -> Flush:
        """Return what is to be written; `flushed()` follows when it is durable.

        What is applied in between is for the next flush. If this one does not come
        about, the meter has lost it, and is of no use any more.
        """
        flush, self._pending = self._pending, Flush()
        for row in self._sums.changed():
            flush.rows.append((row.key, row.value))
            flush.advanced.setdefault(row.owner, []).append(stated(row))
        flush.ids += self._seen.changed(self._next_offset)
        if self._kinds.has_changed:
            self._kinds.begin(self._next_offset)
            flush.rows.append((KINDS_KEY, self._kinds.row()))
            self._count_kinds()
        flush.rows.append((PROGRESS_KEY, Progress(self._next_offset).encode()))
        self._flushed_offset = self._next_offset
        self._unflushed = 0
        return flush

    def flushed(self) -> None:
        """Take note that what the last `flush()` returned is written down."""
        self._written_offset = self._flushed_offset
        self._sums.flushed()

    def _count_kinds(self) -> None:
        counted = self._kinds.counted.items()
        self._sums.count({kind: floor for kind, (_, _, floor) in counted})

    def _read(self, record: UsageRecord) -> Readings:
        ours = record.placed_for is not None
        return read_usage(record.value or b"", record.recorded_at, ours=ours)

    def _counting(
        self, record: UsageRecord, readings: Readings
    ) -> Sequence[tuple[int, Counting]]:
        """Return the events of a record that count, each with its position."""
        events = readings.events
        if readings.plain and record.placed_for == self._partitions:
            good = cast("Sequence[Counting]", events)
            if self._seen.all_new([event.event_id.int for event in good]):
                return list(enumerate(good))
        return [
            (position, event)
            for position, event in enumerate(events)
            if not isinstance(event, Fault)
            and self._counts(event, record, readings.encoded[position])
        ]

    def _counts(self, event: Counting, record: UsageRecord, encoded: bytes) -> bool:
        if not self._is_ours(event, record):
            self._pending.misplaced.append(Misplaced(event.event_id, encoded))
            self.counts.forwarded += 1
            return False
        if not self._seen.first_time(event.event_id):
            self.counts.duplicates += 1
            return False
        return True

    def _charged(
        self,
        record: UsageRecord,
        readings: Readings,
        counting: Sequence[tuple[int, Counting]],
    ) -> list[bytes]:
        self._keep_faults(record, readings.events)
        self._pending.settled += settled_by(record.value, counting)
        writer = ChargeWriter(self._partition, record.offset, record.recorded_at)
        pricer = self._pricer_at(record.recorded_at)
        sums, encoded = self._sums, readings.encoded
        charges: list[bytes] = []
        for position, event in counting:
            amounts = amounts_of(event, pricer)
            charges.append(writer.write(event, amounts, position, encoded[position]))
            sums.add(event, amounts, record.offset)
            self.counts.unpriced += amounts.cost_pico is None
        self.counts.events += len(charges)
        return charges

    def _is_ours(self, event: Counting, record: UsageRecord) -> bool:
        if record.placed_for == self._partitions:
            return True
        return usage_partition(event.event_id, self._partitions) == self._partition

    def _keep_faults(self, record: UsageRecord, events: Sequence[Reading]) -> None:
        origin = Origin(self._topic, self._partition, record.offset)
        for position, event in enumerate(events):
            if isinstance(event, Fault):
                place = position if len(events) > 1 else None
                letter = dead_letter(event, origin, place, record.recorded_at)
                self._pending.dead_letters.append(letter)
                self.counts.dead_letters += 1
