"""A meter, or a merge, on the bench: logs, tables and topics are lists, no broker."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from taximeter_processors.charging import Pricer
from taximeter_processors.circumstances import Circumstances
from taximeter_processors.dedupe import DEFAULT_HORIZON
from taximeter_processors.kinds import KINDS_KEY
from taximeter_processors.merge import SpendMerge
from taximeter_processors.meter import Flush, PartitionMeter, Progress, UsageRecord
from taximeter_processors.pricing import Priced
from taximeter_processors.rates import Counts
from taximeter_processors.rows import StoredRows
from taximeter_processors.sums import PROGRESS_KEY, decode_row
from taximeter_schemas.charges import Charge, charges_adapter
from taximeter_schemas.dead_letters import DeadLetter
from taximeter_schemas.records import encode_event, packed
from taximeter_schemas.spend import Partial, PartialRow, SpendAdvanced
from taximeter_schemas.usage import (
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    ChargedEvent,
    usage_event_adapter,
)
from tests.builders import NOON

__all__ = [
    "INPUT_USD",
    "OUTPUT_USD",
    "UNPRICED",
    "Bench",
    "FlatPricer",
    "MergeBench",
    "as_packed",
]

UNPRICED = "nobody-knows-its-price"
INPUT_USD = Decimal("0.000003000001")
OUTPUT_USD = Decimal("0.000015")


class FlatPricer:
    """Every model costs the same, but for one that has no price."""

    def price_counts(
        self,
        provider: str,
        model: str,
        service_tier: str,
        counts: Counts,
        call: Circumstances | None = None,
    ) -> Priced:
        """Return so much a token in, so much a token out."""
        if model == UNPRICED:
            return Priced(None, None, "unknown_model", "flat-1", None)
        tokens_in = int(sum(counts.get(name, 0) for name in INPUT_TOKENS))
        tokens_out = int(sum(counts.get(name, 0) for name in OUTPUT_TOKENS))
        return Priced(
            tokens_in * 3_000_001, tokens_out * 15_000_000, None, "flat-1", model
        )


def as_packed(*items: ChargedEvent | bytes) -> bytes:
    """Return a record's value with these events, or bytes as they stand."""
    return packed(
        [item if isinstance(item, bytes) else encode_event(item) for item in items]
    )


@dataclass
class Bench:
    """One partition of `usage` with everything that its meter ever wrote.

    What a flush says once is kept only when the flush is committed, like a
    transaction; what it may repeat is kept from the moment it is said.
    """

    pricer: Pricer = field(default_factory=FlatPricer)
    partition: int = 0
    partitions: int = 1
    horizon: timedelta = DEFAULT_HORIZON
    log: list[UsageRecord] = field(default_factory=list[UsageRecord])
    rows: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    ids: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    charge_records: list[tuple[bytes, bytes]] = field(
        default_factory=list[tuple[bytes, bytes]]
    )
    letters: list[DeadLetter] = field(default_factory=list[DeadLetter])
    forwarded: list[ChargedEvent] = field(default_factory=list[ChargedEvent])
    partials: list[PartialRow] = field(default_factory=list[PartialRow])

    def __post_init__(self) -> None:
        self.meter = self._new_meter()

    def send(
        self,
        value: bytes | None,
        recorded_at: datetime = NOON,
        placed_for: int | None = None,
        offset: int | None = None,
    ) -> UsageRecord:
        """Append a record to the log; offsets may have gaps, as in Kafka."""
        following = self.log[-1].offset + 1 if self.log else 0
        at = following if offset is None else offset
        record = UsageRecord(at, value, recorded_at, placed_for)
        self.log.append(record)
        return record

    def apply(self, most: int | None = None) -> None:
        """Apply what stands in the log and was not applied yet, or some of it."""
        start = self.meter.next_offset
        waiting = [record for record in self.log if record.offset >= start]
        for record in waiting[:most]:
            self.meter.apply(record)

    def flush(self) -> Flush:
        """Write down what was applied."""
        flush = self.begin_flush()
        self.commit(flush)
        return flush

    def begin_flush(self) -> Flush:
        """Say what may be repeated; what is applied from now on is for the next."""
        flush = self.meter.flush()
        self.partials += [
            decode_row(*row)
            for row in flush.rows
            if row[0] not in (PROGRESS_KEY, KINDS_KEY)
        ]
        self.forwarded += [
            usage_event_adapter.validate_json(event.encoded)
            for event in flush.misplaced
        ]
        return flush

    def commit(self, flush: Flush) -> None:
        """Write the rest down, all or nothing."""
        self.charge_records += flush.charges
        self.letters += flush.dead_letters
        self.rows.update(flush.rows)
        self._write_ids(flush)
        self.meter.flushed()

    def crash(self) -> None:
        """Lose what is in memory; the next owner reads the state back."""
        self.meter = self._new_meter()
        self.meter.remember(self.ids.items())

    def crash_while_flushing(self) -> None:
        """Say what may be repeated, then crash before the transaction's end."""
        self.begin_flush()
        self.crash()

    def run(self, *values: bytes | None) -> None:
        """Send, apply and flush."""
        for value in values:
            self.send(value)
        self.apply()
        self.flush()

    @property
    def progress(self) -> Progress:
        """What the progress row says."""
        stored = self.rows.get(PROGRESS_KEY)
        return Progress.decode(stored) if stored else Progress(0)

    @property
    def charges(self) -> list[Charge]:
        """Every charge that was written, as the models read it."""
        return [
            charge
            for _, value in self.charge_records
            for charge in charges_adapter.validate_json(value)
        ]

    def spend(self) -> dict[tuple[str, str, int], Partial]:
        """Return the rows of the table by subject and window."""
        stored = [decode_row(*row) for row in self.rows.items() if row[0][:1] == b"["]
        return _by_subject(stored)

    def newest_partials(self) -> dict[tuple[str, str, int], Partial]:
        """Return what somebody who merges the partials that were sent would hold."""
        newest: dict[tuple[str, str, int], Partial] = {}
        for row in self.partials:
            held = newest.get(row[:3])
            if held is None or held.offset <= row.partial.offset:
                newest[row[:3]] = row.partial
        return newest

    def _write_ids(self, flush: Flush) -> None:
        for key, value in flush.ids:
            if value is None:
                del self.ids[key]
            else:
                assert key not in self.ids
                self.ids[key] = value

    def _new_meter(self) -> PartitionMeter:
        return PartitionMeter(
            "usage",
            self.partition,
            self.partitions,
            lambda _: self.pricer,
            self.rows,
            self.progress,
            self.horizon,
        )


class MergeBench:
    """One partition of `spend`: what was said there, and what is made of it."""

    def __init__(self) -> None:
        self.said: list[SpendAdvanced] = []
        self._rows = StoredRows(2)
        self._stored = 0
        self.crash()

    def crash(self) -> None:
        """Go on from what was stored."""
        self.merge, self._next = SpendMerge(self._rows, most_in_mind=2), self._stored

    def store(self) -> None:
        """Store what was merged, and how far."""
        self._rows.put(self.merge.changed())
        self.merge.flushed()
        self._stored = self._next

    def read(self, most: int | None = None) -> None:
        """Take in the next, or all that are left, the newest first."""
        ahead = self.said[self._next :][:most]
        self.take(reversed(ahead))
        self._next += len(ahead)

    def take(self, said: Iterable[SpendAdvanced]) -> None:
        """Take partial sums in, whichever they are."""
        for advanced in said:
            for row in advanced.rows:
                self.merge.take(advanced.source_partition, row)


def _by_subject(rows: Iterable[PartialRow]) -> dict[tuple[str, str, int], Partial]:
    return {row[:3]: row.partial for row in rows}
