"""A spool is a queue that survives: whatever dies when, what was stored comes out."""

from __future__ import annotations

import shutil
import tempfile
from datetime import timedelta
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from taximeter_producers.spool.backlog import Batch
from taximeter_producers.spool.level import SpoolPlan
from taximeter_producers.spool.spool import Spool
from taximeter_schemas.clock import ManualClock


class SpoolMachine(RuleBasedStateMachine):
    """One process after the other uses a directory; a list says what must be in it.

    Only what every batch before it had settled for counts as delivered: that is
    where the next process begins.
    """

    under_way: Bundle[Batch] = Bundle("under_way")

    @initialize()
    def begin(self) -> None:
        """Begin with an empty directory."""
        self.home = Path(tempfile.mkdtemp())
        self.clock = ManualClock()
        self.stored: list[bytes] = []
        self.sent = 0
        self.batches: list[Batch] = []
        self.spool = self._spool()

    @rule(count=st.integers(1, 5))
    def put(self, count: int) -> None:
        """Store some events."""
        events = [b"%d" % (len(self.stored) + n) for n in range(count)]
        assert self.spool.put(events).reason is None
        self.stored += events

    @rule(target=under_way)
    def read(self) -> MultipleResults[Batch]:
        """Read what comes next: the next that was stored, in its order."""
        if self.spool.enough_under_way:
            return multiple()
        batch = self.spool.next_batch()
        if batch is None:
            assert self._read_to() == len(self.stored)
            return multiple()
        assert batch.encoded == self.stored[self._read_to() :][: len(batch.encoded)]
        self.batches.append(batch)
        return multiple(batch)

    @rule(batch=consumes(under_way))
    def deliver(self, batch: Batch) -> None:
        """Have a batch acknowledged, in any order."""
        if batch not in self.batches:
            return  # of a process that is dead by now
        batch.complete()
        self.spool.forget_delivered()
        while self.batches and self.batches[0].future.done():
            self.sent += len(self.batches.pop(0).encoded)

    @rule()
    def tend(self) -> None:
        """Look after the files at any moment."""
        assert self.spool.tend() == 0

    @rule(properly=st.booleans())
    def die(self, properly: bool) -> None:
        """End the process, and let another one begin."""
        if properly:
            self.spool.close()
        else:
            self.spool.abandon()
        self.batches = []
        self.spool = self._spool()
        assert self.spool.tend() == len(self.stored) - self.sent

    @invariant()
    def counts(self) -> None:
        """The spool knows how much of it is waiting."""
        assert self.spool.waiting == len(self.stored) - self.sent
        assert (self.spool.waiting_bytes == 0) == (self.spool.waiting == 0)

    def teardown(self) -> None:
        """Send the rest, and see that nothing is left."""
        self.die(properly=False)
        self.read()
        while self.batches:
            self.deliver(self.batches[0])
            self.read()
        assert self.sent == len(self.stored)
        self.spool.close()
        assert [path for path in self.home.iterdir() if path.is_file()] == []
        shutil.rmtree(self.home)

    def _read_to(self) -> int:
        return self.sent + sum(len(batch.encoded) for batch in self.batches)

    def _spool(self) -> Spool:
        self.clock.move(timedelta(seconds=1))
        return Spool(SpoolPlan(self.home, 10**9), self._no_loss, self.clock)

    def _no_loss(self, events: int) -> None:
        raise AssertionError(f"{events} events lost")


TestSpool = SpoolMachine.TestCase
TestSpool.settings = settings(max_examples=25, stateful_step_count=20)
