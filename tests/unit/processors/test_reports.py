"""What a worker says of itself: true, and growing, whatever it owns meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from taximeter_processors.agents.price_usage import PricingPartition
from taximeter_processors.agents.reports import FlushReport, Reports
from taximeter_schemas.clock import ManualClock
from tests.builders import NOON, a_usage
from tests.metering import UNPRICED, Bench, as_packed

if TYPE_CHECKING:
    import faust
    from faust.types import TP

    from taximeter_processors.agents.partitions import PartitionWork


@dataclass
class Consumer:
    """Knows where partitions end; of those that it has lost it knows nothing."""

    ends: dict[int, int | None] = field(default_factory=dict[int, int | None])

    def highwater(self, place: TP) -> int | None:
        """Return the end of a partition, as aiokafka does."""
        assert place.topic == "usage"
        assert place.partition in self.ends, "Partition is not assigned"
        return self.ends[place.partition]


class Worker:
    """Reports on partitions that lie on a bench."""

    def __init__(self, partitions: int = 1) -> None:
        self.clock = ManualClock(NOON)
        self.consumer = Consumer()
        self.benches = {p: Bench(partition=p) for p in range(partitions)}
        self.told: list[FlushReport] = []
        app = cast("faust.App", SimpleNamespace(consumer=self.consumer))
        self.reports = Reports(app, "usage", self.clock, self.told.append)

    def works(self) -> dict[int, PartitionWork]:
        """Return the partitions as the agent has them."""
        return {p: _work(bench) for p, bench in self.benches.items()}

    def flush(self) -> FlushReport:
        """Apply and flush everything; return what is said about it."""
        for bench in self.benches.values():
            bench.apply()
            bench.flush()
        self.reports.flushed(self.works())
        return self.told[-1]


def _work(bench: Bench) -> PricingPartition:
    partition = PricingPartition.__new__(PricingPartition)
    vars(partition).update(meter=bench.meter, _table=SimpleNamespace(rows=bench.rows))
    return partition


def test_a_report_counts_what_was_done() -> None:
    """Events, duplicates, what has no price or cannot be read; memory and rows."""
    worker = Worker()
    call = a_usage()
    bench = worker.benches[0]
    bench.send(as_packed(call, call, a_usage(model=UNPRICED), b"7"))
    worker.consumer.ends[0] = 3
    told = worker.flush()
    assert (told.events, told.duplicates, told.unpriced) == (2, 1, 1)
    assert (told.dead_letters, told.remembered_ids) == (1, 2)
    assert told.spend_rows == len(bench.rows) > 0
    assert (told.progress, told.lag) == ({0: 1}, {"usage": {0: 2}})


def test_only_what_is_flushed_is_progress() -> None:
    """What is applied and not written down yet still counts as waiting."""
    worker = Worker()
    bench = worker.benches[0]
    bench.send(as_packed(a_usage()))
    worker.consumer.ends[0] = 1
    bench.apply()
    worker.reports.repeat(worker.works())
    assert (worker.told[0].progress, worker.told[0].lag) == ({0: 0}, {"usage": {0: 1}})
    assert worker.flush().lag == {"usage": {0: 0}}


def test_unknown_lag_is_left_out() -> None:
    """Of a partition that was taken away, or not asked for yet, nothing is said."""
    worker = Worker(partitions=3)
    worker.consumer.ends = {0: 5, 1: None}
    assert worker.flush().lag == {"usage": {0: 5}}


def test_counts_survive_the_loss_of_a_partition() -> None:
    """A total never shrinks, or monitoring would take it for a new beginning."""
    worker = Worker(partitions=2)
    for bench in worker.benches.values():
        bench.send(as_packed(a_usage(), a_usage()), placed_for=1)
    assert worker.flush().events == 4
    lost = worker.benches.pop(1)
    assert worker.flush().events == 4
    worker.benches[1] = Bench(partition=1)  # and back, with a new meter
    worker.benches[1].send(as_packed(a_usage()), placed_for=1)
    assert worker.flush().events == 5
    assert lost.meter.counts.events == 2


def test_between_flushes_only_the_flush_time_stands_still() -> None:
    """A worker that cannot flush goes on saying how far behind it is."""
    worker = Worker()
    worker.consumer.ends[0] = 0
    flushed_at = worker.flush().flushed_at
    worker.clock.move(timedelta(minutes=5))
    worker.consumer.ends[0] = 70
    worker.reports.repeat(worker.works())
    assert worker.told[-1].flushed_at == flushed_at
    assert worker.told[-1].lag == {"usage": {0: 70}}
