"""A fresh sink that carries what is in Kafka into a new ledger, and stops."""

from __future__ import annotations

import asyncio
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from taximeter_schemas.topics import Topics
from taximeter_sinks.quack import ServedLedger
from taximeter_sinks.sink import Progress, SinkConfig, run_sink

__all__ = ["run"]


def run(facts: dict[str, Any]) -> dict[str, Any]:
    """Run a sink until `rows` rows are committed; the time counts from its ready on."""
    config = SinkConfig(
        bootstrap=facts["bootstrap"],
        topics=Topics(prefix=facts["prefix"]),
        ledger=Path(facts["ledger"]),
        quack_token="of-the-bench-only",  # noqa: S106 - nobody is to read this ledger
    )
    watch = asyncio.run(_run(config, facts["rows"]))
    return {
        "rows": watch.rows,
        "rows_per_second": watch.rows / watch.seconds,
        "rows_per_cpu_second": watch.rows / watch.cpu_seconds,
        "commits": watch.commits,
    }


class _Watch:
    """Takes the time between two of the sink's own words."""

    def __init__(self, wanted: int, stop: asyncio.Event) -> None:
        self.rows = self.commits = 0
        self.seconds = self.cpu_seconds = 0.0
        self._wanted = wanted
        self._stop = stop
        self._begun = self._cpu_begun = 0.0

    def ready(self, _: ServedLedger) -> None:
        self._begun, self._cpu_begun = perf_counter(), process_time()

    def flushed(self, progress: Progress) -> None:
        self.rows += progress.flushed.rows
        self.commits += 1
        self.seconds = perf_counter() - self._begun
        self.cpu_seconds = process_time() - self._cpu_begun
        if self.rows >= self._wanted:
            self._stop.set()


async def _run(config: SinkConfig, rows: int) -> _Watch:
    stop = asyncio.Event()
    watch = _Watch(rows, stop)
    await run_sink(config, stop, watch.ready, watch.flushed)
    return watch
