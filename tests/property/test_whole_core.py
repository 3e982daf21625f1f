"""The whole core as a state machine: whatever happens, in whatever order, it adds up.

Calls, repeats, crashes, changes of owner and late calls follow one another as
Hypothesis likes. The model is a dictionary of the calls that were sent. At every
moment no call is charged twice, and the tables are the sum of the charges; once
everything has arrived, both are the sums of the dictionary.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from copy import copy
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from taximeter_processors.meter import Flush
from taximeter_producers.packing import EncodedEvent, Packer
from taximeter_schemas.charges import UsagePriced
from taximeter_schemas.money import pico_from_usd
from taximeter_schemas.records import encode_event, usage_partition
from taximeter_schemas.spend import SpendAdvanced
from taximeter_schemas.usage import UsageRecorded
from tests.builders import NOON
from tests.metering import UNPRICED, Bench, MergeBench, as_packed
from tests.spending import BOOK, Call, Spend, a_call, cost_of, spend_of, sums_in

T = TypeVar("T")

PARTITIONS = 2
HORIZON = timedelta(hours=24)
# An id is known for a horizon, so what is repeated is repeated within a day.
DAY = timedelta(hours=20)
LATE = (timedelta(0), timedelta(minutes=20), timedelta(hours=30), timedelta(days=40))
BAD = b'{"event_id":7}'

partitions = st.integers(0, PARTITIONS - 1)
picks = st.lists(st.integers(0, 99), max_size=4)
some = st.integers(0, 4)
tokens = st.integers(0, 100_000)
calls = st.lists(
    st.builds(
        Call,
        model=st.sampled_from(("priced", UNPRICED)),
        user=st.sampled_from(("ada", "grace")),
        tokens_in=tokens,
        tokens_out=tokens,
        late=st.sampled_from(LATE),
    ),
    max_size=4,
)


class WholeCore(RuleBasedStateMachine):
    """Senders, `usage` and its meters, `spend` and its watchers; Kafka is lists."""

    def __init__(self) -> None:
        super().__init__()
        self.morning = self.now = NOON
        self.sent: dict[UUID, UsageRecorded] = {}
        self.repeatable: list[UsageRecorded] = []
        self.benches = [
            Bench(BOOK, number, PARTITIONS, HORIZON) for number in range(PARTITIONS)
        ]
        self.watchers = [MergeBench() for _ in range(PARTITIONS)]

    # What comes into `usage`.

    @rule(calls=calls, again=picks, believed=st.sampled_from((PARTITIONS, 1)))
    def emit(self, calls: Sequence[Call], again: list[int], believed: int) -> None:
        """An emitter packs calls beside earlier ones that it sends again.

        One that believes in a single partition puts many into the wrong one.
        """
        packer = Packer(believed, max_events=3, max_bytes=10_000)
        packer.add([EncodedEvent.of(event) for event in self._events(calls, again)])
        for record in packer.all():
            bench = self.benches[record.partition]
            bench.send(record.value, self.now, record.partitions)

    @rule(partition=partitions, calls=calls, again=picks, bad=st.booleans())
    def stranger_packs(
        self, partition: int, calls: Sequence[Call], again: list[int], bad: bool
    ) -> None:
        """Somebody without our emitter packs anything into any partition."""
        value = as_packed(*self._events(calls, again), *[BAD] * bad)
        self.benches[partition].send(value, self.now)

    @rule(partition=partitions, calls=calls, again=picks)
    def stranger_sends(
        self, partition: int, calls: Sequence[Call], again: list[int]
    ) -> None:
        """Somebody sends calls one by one into any partition."""
        for event in self._events(calls, again):
            self.benches[partition].send(encode_event(event), self.now)

    @rule(partition=partitions, picks=picks)
    def records_come_again(self, partition: int, picks: list[int]) -> None:
        """Whole records stand in the log a second time."""
        bench = self.benches[partition]
        log = [record for record in bench.log if record.recorded_at >= self.morning]
        for record in _picked(log, picks):
            bench.send(record.value, self.now, record.placed_for)

    @rule(hours=st.sampled_from((1, 7, -3)))
    def time_passes(self, hours: int) -> None:
        """The broker's clock goes on, or is set back."""
        moved = self.now + timedelta(hours=hours)
        self.now = max(self.morning, min(moved, self.morning + DAY))

    # What befalls the meter of a partition.

    @rule(partition=partitions, most=some)
    def apply(self, partition: int, most: int) -> None:
        """It applies the next records."""
        self.benches[partition].apply(most)

    @rule(partition=partitions, meanwhile=some)
    def flush(self, partition: int, meanwhile: int) -> None:
        """It flushes, and applies more before that is committed."""
        bench = self.benches[partition]
        flush = self._begin_flush(bench)
        bench.apply(meanwhile)
        bench.commit(flush)

    @rule(partition=partitions, flushing=st.booleans())
    def crash(self, partition: int, flushing: bool) -> None:
        """It dies, maybe in the middle of a flush; another one replays the log."""
        bench = self.benches[partition]
        if flushing:
            self._begin_flush(bench)
        bench.crash()

    @rule(partition=partitions, more=some)
    def rebalance(self, partition: int, more: int) -> None:
        """Another one takes over; it goes on until its own flush is refused."""
        bench = self.benches[partition]
        zombie = copy(bench)
        bench.rows = dict(bench.rows)
        bench.crash()
        zombie.apply(more)
        self._begin_flush(zombie)

    # What befalls the watcher of a partition of `spend`.

    @rule(owner=partitions, most=some, again=picks)
    def merge(self, owner: int, most: int, again: list[int]) -> None:
        """It takes in the next partial sums, and any others in any order."""
        watcher = self.watchers[owner]
        watcher.take(_picked(watcher.said, again))
        watcher.read(most)

    @rule(owner=partitions)
    def store(self, owner: int) -> None:
        """It stores what it has merged, and how far."""
        self.watchers[owner].store()

    @rule(owner=partitions)
    def merge_elsewhere(self, owner: int) -> None:
        """Another one goes on from what was stored."""
        self.watchers[owner].crash()

    # What must be true.

    @invariant()
    def no_call_is_charged_twice(self) -> None:
        """A charge is the only one of its call, and exact."""
        charges = self._charges()
        assert len({charge.recorded.event_id for charge in charges}) == len(charges)
        for charge in charges:
            event, usd = charge.recorded, charge.cost_usd
            assert event == self.sent[event.event_id]
            assert cost_of(event) == (None if usd is None else pico_from_usd(usd))

    @invariant()
    def tables_are_the_sum_of_the_charges(self) -> None:
        """The rows of each partition hold what was charged there, no more, no less."""
        charges = self._charges()
        for bench in self.benches:
            rows = {row: sums_in([partial]) for row, partial in bench.spend().items()}
            own = [one for one in charges if one.source_partition == bench.partition]
            assert rows == spend_of(one.recorded for one in own)

    @rule()
    def settle(self) -> None:
        """Once all has arrived, charges and merged sums are those of what was sent."""
        for _ in range(2):  # the second time, with what the first sent on
            for bench in self.benches:
                bench.apply()
                bench.commit(self._begin_flush(bench))
        for watcher in self.watchers:
            watcher.read()
        charged = {charge.recorded.event_id for charge in self._charges()}
        assert charged == set(self.sent)
        assert self._merged() == spend_of(self.sent.values())
        self._check_dead_letters()

    @rule()
    def days_pass(self) -> None:
        """After days in which nothing is under way, what was before is forgotten."""
        self.settle()
        self.morning = self.now = self.now + 3 * HORIZON
        self.repeatable.clear()

    def teardown(self) -> None:
        """Every story ends with everything arrived."""
        if sys.exception() is None:  # else that is what went wrong
            self.settle()

    def _events(self, calls: Sequence[Call], again: list[int]) -> list[UsageRecorded]:
        """Return these calls as new events, behind some that may be repeated."""
        count = len(self.sent)
        new = [
            a_call(number, call, self.now) for number, call in enumerate(calls, count)
        ]
        self.sent.update({event.event_id: event for event in new})
        self.repeatable += new
        return _picked(self.repeatable, again) + new

    def _begin_flush(self, bench: Bench) -> Flush:
        """Send what may be repeated, whatever becomes of the transaction behind it."""
        flush = bench.begin_flush()
        for event in flush.misplaced:
            own = usage_partition(event.event_id, PARTITIONS)
            self.benches[own].send(event.encoded, self.now)
        for owner, rows in flush.advanced.items():
            facts = bench.partition, b",".join(rows)
            advanced = b'{"source_partition":%d,"rows":[%b]}' % facts
            said = SpendAdvanced.model_validate_json(advanced)
            self.watchers[owner].said.append(said)
        return flush

    def _charges(self) -> list[UsagePriced]:
        charges = [charge for bench in self.benches for charge in bench.charges]
        return [charge for charge in charges if isinstance(charge, UsagePriced)]

    def _merged(self) -> Spend:
        """Return what all watchers hold together; no subject has two of them."""
        merged = [
            (key, sums_in(watcher.merge.sources(key).values()))
            for watcher in self.watchers
            for key in watcher.merge.windows()
        ]
        assert len(dict(merged)) == len(merged)
        return dict(merged)

    def _check_dead_letters(self) -> None:
        logs = [record.value or b"" for bench in self.benches for record in bench.log]
        letters = [letter.key for bench in self.benches for letter in bench.letters]
        assert len(letters) == len(set(letters)) == sum(one.count(BAD) for one in logs)


def _picked(known: Sequence[T], picks: Iterable[int]) -> list[T]:
    """Return some of these, by numbers drawn before anybody knew how many there are."""
    return [known[pick % len(known)] for pick in picks if known]


TestWholeCore = WholeCore.TestCase
TestWholeCore.settings = settings(
    TestWholeCore.settings, max_examples=100, stateful_step_count=50
)
