"""Measures row after row, on one broker, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import logging
import signal
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from taximeter.bench.measures import (
    added,
    cpu_growth,
    emit,
    end_to_end,
    http_ingest,
    importing,
    latency,
    memory,
    outage,
    prices,
    pricing,
    reports,
    repricing,
    reserving,
    sink,
)
from taximeter.bench.rows import TARGETS, Row
from taximeter.bench.sizes import Sizes
from taximeter.bench.stage import Bench
from taximeter.broker.embedded import prepare
from taximeter.broker.ladder import running

__all__ = ["measured"]

_LATENCIES: Final = frozenset({"alert_p99_ms", "sql_p99_ms"})


async def _with_worker_and_sink(bench: Bench) -> list[Row]:
    """Measure what needs both of them on the same pair, to save their start."""
    rows: list[Row] = []
    async with bench.stage("starting a worker and a sink") as stage:
        with stage.metering() as (worker, sink_part):
            if bench.wanted.intersection(reserving.RESERVE_ROWS):
                rows += await reserving.measure(bench, stage)
            if bench.wanted & _LATENCIES:
                rows += await latency.measure(bench, stage, sink_part)
            if "cpu_growth" in bench.wanted:
                rows.append(await cpu_growth.measure(bench, stage, worker, sink_part))
    return rows


_MEASURES: Final[dict[tuple[str, ...], Callable[[Bench], Awaitable[list[Row]]]]] = {
    ("pricing",): prices.measure,
    ("pricing_agent",): pricing.measure,
    ("end_to_end",): end_to_end.measure,
    ("http_ingest",): http_ingest.measure,
    ("sink",): sink.measure,
    ("emit_p50_us", "emit_p99_us"): emit.measure,
    ("added_p50_us", "added_p99_us"): added.measure,
    ("import_ms",): importing.measure,
    ("outage_hurt_calls", "outage_memory_mib"): outage.measure,
    ("cpu_growth", *_LATENCIES, *reserving.RESERVE_ROWS): _with_worker_and_sink,
    ("report_ms", "month_report_ms"): reports.measure,
    ("reprice_s",): repricing.measure,
    ("worker_memory_mib",): memory.measure,
}


def measured(
    wanted: frozenset[str],
    sizes: Sizes,
    repeat: int,
    bootstrap: str | None,
    say: Callable[[str], None],
) -> list[Row]:
    """Return the wanted rows, in the order of the table.

    Args:
        wanted: names of rows; empty for all.
        sizes: how much is measured.
        repeat: how often a row with a ratio is measured.
        bootstrap: a Kafka to measure with; None for one that lives only for this.
        say: told what is being done.

    Raises:
        BrokerUnavailable: there is no Kafka to measure with.
        PartFailed: a part did not start, or ended.
    """
    # A new topic has no leader for its first moments; clients say so and try again.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    # Asked to end, by whomever, it ends like on Ctrl-C: with everything taken away.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    with tempfile.TemporaryDirectory(prefix="taximeter-bench-") as scratch:
        place = Path(scratch)
        with _kafka(place, bootstrap, say) as address:
            names = wanted or frozenset(TARGETS)
            bench = Bench(address, place, sizes, repeat, names, say)
            return asyncio.run(_all(bench))


async def _all(bench: Bench) -> list[Row]:
    found: dict[str, Row] = {}
    for names, measure in _MEASURES.items():
        if bench.wanted.intersection(names):
            found |= {row.name: row for row in await measure(bench)}
    return [found[name] for name in TARGETS if name in bench.wanted]


@contextmanager
def _kafka(
    place: Path, bootstrap: str | None, say: Callable[[str], None]
) -> Iterator[str]:
    if bootstrap:
        yield bootstrap
        return
    say("starting a Kafka of its own")
    with running(prepare(place / "broker", say)) as address:
        yield address
