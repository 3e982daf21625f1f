"""Row `pricing_agent`: events through a real worker's Faust agents, on one core."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Final

from taximeter.bench.children import run_task
from taximeter.bench.feed import Feed, feeding
from taximeter.bench.rows import Pair, Row, row_of_pairs
from taximeter.bench.stage import Bench, Part, Stage
from taximeter.bench.traffic import Traffic
from taximeter_schemas.clock import SystemClock

__all__ = ["measure"]

_CLOCK: Final = SystemClock()


@dataclass(frozen=True)
class _Run:
    packed: float
    per_cpu_second: float
    sent: float
    single: float


async def measure(bench: Bench) -> list[Row]:
    """Return the row; topics are new, and the worker has started before it begins."""
    pairs: list[Pair] = []
    runs: list[_Run] = []
    for turn in range(bench.repeat):
        doing = f"pricing agent, {bench.sizes.pricing_events:,} events"
        async with bench.stage(f"{doing}, {turn + 1} of {bench.repeat}") as stage:
            traffic = bench.traffic()
            runs.append(await _through_the_worker(bench, stage, traffic))
            pairs.append(Pair(runs[-1].packed, await _reference(bench, stage, traffic)))
    return [row_of_pairs("pricing_agent", pairs, _detail(bench, runs[-1]))]


async def _through_the_worker(bench: Bench, stage: Stage, traffic: Traffic) -> _Run:
    sizes, cores = bench.sizes, bench.cores
    with stage.part("worker", cores=cores.measured) as worker:
        async with feeding(stage) as feed:
            await feed.warm_up(worker, traffic)
            with cores.left_to(worker.process.pid):
                run = await _packed(feed, worker, traffic, sizes.pricing_events)
                first, count = sizes.pricing_events, sizes.single_events
                single = await _singly(feed, worker, traffic, first, count)
    return _Run(*run, single)


async def _packed(
    feed: Feed, worker: Part, traffic: Traffic, count: int
) -> tuple[float, float, float]:
    records = list(traffic.packed(0, count, 4))
    cpu, began, started = worker.cpu_seconds, perf_counter(), _CLOCK.now()
    await feed.send(records)
    sending = perf_counter() - began
    flushed_at = await feed.applied(worker)
    seconds = (flushed_at - started).total_seconds()
    return count / seconds, count / (worker.cpu_seconds - cpu), count / sending


async def _singly(
    feed: Feed, worker: Part, traffic: Traffic, first: int, count: int
) -> float:
    started = _CLOCK.now()
    await feed.send_singly(traffic, first, count)
    flushed_at = await feed.applied(worker)
    return count / (flushed_at - started).total_seconds()


async def _reference(bench: Bench, stage: Stage, traffic: Traffic) -> float:
    found = await run_task(
        "validate",
        stage.log,
        bench.cores.measured,
        traffic=traffic.facts(),
        first=0,
        count=bench.sizes.pricing_events,
        partitions=stage.topics.partitions,
    )
    return float(found["events_per_second"])


def _detail(bench: Bench, run: _Run) -> str:
    sizes = bench.sizes
    return (
        f"{sizes.pricing_events:,} events in records of 100, 2,000 users, 50 projects; "
        f"{run.per_cpu_second:,.0f} events per CPU second of the worker; "
        f"sent at {run.sent:,.0f}/s; one event a record ({sizes.single_events:,}): "
        f"{run.single:,.0f} events/s"
    )
