"""How a worker stands, told to whoever started it: for people, and for monitoring."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import faust
from faust.exceptions import ConsumerNotStarted
from faust.types import TP

from taximeter_processors.agents.partitions import PartitionWork
from taximeter_processors.agents.price_usage import PricingPartition
from taximeter_processors.tally import Tally
from taximeter_schemas.clock import Clock

__all__ = ["FlushReport", "Reports"]


@dataclass(frozen=True)
class FlushReport:
    """How a worker stands; the counts are of all that it did since it started.

    `progress` is how far each partition of `usage` that it owns is flushed, `lag`, by
    topic and partition, how many records come after that, as the last fetch knew.
    """

    flushed_at: datetime
    events: int
    duplicates: int
    unpriced: int
    dead_letters: int
    remembered_ids: int
    spend_rows: int
    progress: dict[int, int]
    lag: dict[str, dict[int, int]]


class Reports:
    """Reports after each flush, and in between, so that one who is stuck is seen.

    Args:
        app: whose consumer knows where the log ends.
        topic: the topic that is priced.
        clock: the time of flushes.
        tell: is given each report.
    """

    def __init__(
        self,
        app: faust.App,
        topic: str,
        clock: Clock,
        tell: Callable[[FlushReport], None],
    ) -> None:
        self._app = app
        self._topic = topic
        self._clock = clock
        self._tell = tell
        self._tally = Tally()
        self._flushed_at = clock.now()

    def flushed(self, works: Mapping[int, PartitionWork]) -> None:
        """Report that one of these partitions was opened, or flushed."""
        self._flushed_at = self._clock.now()
        self.repeat(works)

    def repeat(self, works: Mapping[int, PartitionWork]) -> None:
        """Report how these partitions stand."""
        priced = {p: w for p, w in works.items() if isinstance(w, PricingPartition)}
        meters = {partition: work.meter for partition, work in priced.items()}
        counts = self._tally.total([meter.counts for meter in meters.values()])
        progress = {p: meter.flushed_offset for p, meter in meters.items()}
        self._tell(
            FlushReport(
                flushed_at=self._flushed_at,
                events=counts.events,
                duplicates=counts.duplicates,
                unpriced=counts.unpriced,
                dead_letters=counts.dead_letters,
                remembered_ids=sum(m.remembered_ids for m in meters.values()),
                spend_rows=sum(work.stored_rows for work in priced.values()),
                progress=progress,
                lag={self._topic: self._lag(progress)},
            )
        )

    def _lag(self, progress: Mapping[int, int]) -> dict[int, int]:
        ends = {partition: self._end(partition) for partition in progress}
        return {
            partition: max(0, end - progress[partition])
            for partition, end in ends.items()
            if end is not None
        }

    def _end(self, partition: int) -> int | None:
        try:
            return self._app.consumer.highwater(TP(self._topic, partition))
        except (AssertionError, ConsumerNotStarted):
            return None  # it is being taken from us, or we are about to stop
