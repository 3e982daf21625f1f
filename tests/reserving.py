"""The owner of a `spend` partition without Kafka: its log, its table, what it said."""

from __future__ import annotations

from collections.abc import Coroutine, Generator, Iterable, Sequence
from datetime import timedelta
from decimal import Decimal
from types import coroutine
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from taximeter_processors.agents.watch_budgets import WatchPartition
from taximeter_processors.attention import AttentionRules
from taximeter_processors.holds import HOLDS_PREFIX
from taximeter_processors.kafka import Batches, LogRecord
from taximeter_processors.meter import Progress
from taximeter_processors.settling import spend_records
from taximeter_processors.sums import PROGRESS_KEY
from taximeter_schemas.budgets import BudgetDefined, BudgetStatus
from taximeter_schemas.clock import ManualClock
from taximeter_schemas.reservations import (
    ReservationAnswered,
    ReservationReleased,
    ReservationRequested,
)
from taximeter_schemas.subjects import Scope, Subject
from taximeter_schemas.topics import Topics
from tests.builders import NOON, an_id

if TYPE_CHECKING:
    from taximeter_processors.tables import PartitionTable

__all__ = ["ALICE", "BUDGET", "LIMIT_USD", "Owner", "a_release", "a_request"]

ALICE = Subject("user", "alice")
LIMIT_USD = Decimal(10)
BUDGET = BudgetDefined(
    budget_id="alice",
    scope=Scope(user="alice"),
    period="day",
    limit_usd=LIMIT_USD,
    defined_at=NOON - timedelta(days=1),
)


def a_request(
    call: object, estimate_usd: object | None = 1, **overrides: object
) -> bytes:
    """Return a request for a call of Alice's, as it stands in the log."""
    fields: dict[str, object] = {
        "event_type": "ReservationRequested",
        "reservation_id": an_id("reservation", call),
        "budget_id": "alice",
        "subject_kind": "user",
        "subject_id": "alice",
        "estimate_usd": None if estimate_usd is None else str(estimate_usd),
        "occurred_at": NOON,
    }
    event = ReservationRequested.model_validate(fields | overrides)
    return event.model_dump_json().encode()


def a_release(call: object) -> bytes:
    """Return what lets go of what is held for a call."""
    event = ReservationReleased(
        event_type="ReservationReleased",
        reservation_id=an_id("reservation", call),
        released_at=NOON,
    )
    return event.model_dump_json().encode()


def sums(
    source: int,
    offset: int,
    usd: object,
    settles: Iterable[object] = (),
    tokens: int = 0,
) -> bytes:
    """Return Alice's partial sum of a source partition, and whose call is in it."""
    pico = int(Decimal(str(usd)) * 10**12)
    window = int(NOON.timestamp())
    row = b'["user","alice",%d,["%d",1,0,%d,%d]]' % (window, pico, tokens, offset)
    settled = [an_id("reservation", call) for call in settles]
    return spend_records(source, {0: [row]}, settled, 1)[0][0]


class Table:
    """A partition's rows in a dictionary; a write waits until it is let through."""

    def __init__(self, rows: dict[bytes, bytes]) -> None:
        self._all = rows
        self.rows = {k: v for k, v in rows.items() if not k.startswith(HOLDS_PREFIX)}
        self.sent: list[tuple[str, bytes, bytes | None]] = []

    def take_aside(self) -> Iterable[tuple[bytes, bytes]]:
        """Return the rows that nobody looks up."""
        return [(k, v) for k, v in self._all.items() if k.startswith(HOLDS_PREFIX)]

    async def write(
        self,
        rows: Sequence[tuple[bytes, bytes]],
        also: Batches,
        aside: Sequence[tuple[bytes, bytes | None]] = (),
    ) -> None:
        """Write all of it at once, when the transaction ends."""
        await _turn()
        for key, value in (*aside, *rows):
            if value is None:
                self._all.pop(key, None)
            else:
                self._all[key] = value
        self.rows.update(rows)
        for (topic, _), records in also.items():
            self.sent += [(topic, key or b"", value) for key, value in records]

    async def close(self) -> None:
        """Let go of nothing."""


class Owner:
    """One partition of `spend`, whoever owns it: its log, and what became visible."""

    def __init__(self, *budgets: BudgetDefined) -> None:
        self.clock = ManualClock(NOON)
        self.log: list[bytes] = []
        self.answers: dict[UUID, list[ReservationAnswered]] = {}
        self.statuses: dict[bytes, BudgetStatus] = {}
        self.rows: dict[bytes, bytes] = {}
        self._budgets = budgets or (BUDGET,)
        self._flushing: Coroutine[Any, Any, int] | None = None
        self.open()

    def open(self) -> None:
        """Take over from what was last written; what was going on is lost."""
        if self._flushing is not None:
            self._flushing.close()
            self._flushing = None
        self.table = Table(dict(self.rows))
        stored = self.rows.get(PROGRESS_KEY)
        start = Progress.decode(stored).next_offset if stored else 0
        table = cast("PartitionTable", self.table)
        self.work = WatchPartition(
            *(Topics(partitions=1), 0, table, start),
            *(self.clock, AttentionRules()),
        )
        self.work.learn(*self._budgets)

    def hear(self, *values: bytes) -> None:
        """Put records into the log."""
        self.log += values

    def apply(self, count: int | None = None) -> None:
        """Apply what comes next in the log."""
        start = self.work.next_offset
        for offset in range(len(self.log))[start:][:count]:
            self.work.apply(LogRecord(offset, 0, None, self.log[offset], ()))

    def begin_flush(self) -> None:
        """Begin a transaction, if none is under way."""
        if self._flushing is None and self.work.has_moved:
            self._flushing = self.work.flush()
            self._flushing.send(None)

    def end_flush(self) -> None:
        """End it: what it says is visible."""
        if self._flushing is None:
            return
        try:
            self._flushing.send(None)
        except StopIteration:
            self._flushing = None
        self.rows = dict(self.table._all)
        sent, self.table.sent = self.table.sent, []
        for topic, key, value in sent:
            self._see(topic, key, value or b"")

    def settle(self) -> None:
        """Apply and flush all there is."""
        self.end_flush()
        self.apply()
        while self.work.has_moved:
            self.begin_flush()
            self.end_flush()

    def passes(self, **time: float) -> None:
        """Let time go by."""
        self.clock.move(timedelta(**time))

    def first_answer(self, call: object) -> ReservationAnswered | None:
        """Return what a call was answered first, None if it was not yet."""
        answers = self.answers.get(an_id("reservation", call))
        return answers[0] if answers else None

    def outcome(self, call: object) -> str | None:
        """Return what became of its request."""
        answer = self.first_answer(call)
        return answer.outcome if answer else None

    @property
    def status(self) -> BudgetStatus:
        """How Alice stands today."""
        day = NOON.replace(hour=0).isoformat()
        name = self._budgets[0].budget_id
        return self.statuses[f"{name}|user|alice|{day}".encode()]

    def _see(self, topic: str, key: bytes, value: bytes) -> None:
        if topic.endswith("reservation-answers"):
            answer = ReservationAnswered.model_validate_json(value)
            assert key == str(answer.reservation_id).encode()
            self.answers.setdefault(answer.reservation_id, []).append(answer)
        elif topic.endswith("budget-status"):
            self.statuses[key] = BudgetStatus.model_validate_json(value)


@coroutine
def _turn() -> Generator[None, None, None]:
    """Wait for the next step of whoever drives this."""
    yield
