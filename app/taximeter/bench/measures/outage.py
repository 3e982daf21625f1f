"""Rows `outage_hurt_calls` and `outage_memory_mib`: metering with Kafka in trouble."""

from __future__ import annotations

from taximeter.bench.children import run_task
from taximeter.bench.rows import Row, row
from taximeter.bench.stage import Bench

__all__ = ["measure"]


async def measure(bench: Bench) -> list[Row]:
    """Return those of the two that are wanted."""
    rows: list[Row] = []
    if "outage_hurt_calls" in bench.wanted:
        rows.append(await _hurt(bench))
    if "outage_memory_mib" in bench.wanted:
        rows.append(await _held(bench))
    return rows


async def _hurt(bench: Bench) -> Row:
    async with bench.stage("calls while Kafka is stopped, slow, refusing") as stage:
        found = await run_task(
            "outage",
            stage.log,
            bootstrap=stage.bootstrap,
            prefix=stage.topics.prefix,
            seconds=bench.sizes.outage_seconds,
        )
    hurt = sum(told["failed"] + told["delayed"] for told in found.values())
    detail = "; ".join(
        f"{trouble}: {told['calls']:,} calls, {told['failed']} failed, "
        f"{told['delayed']} delayed, the slowest {told['slowest_ms']:.1f} ms, "
        f"{'all' if told['arrived'] else 'NOT all'} arrived afterwards"
        for trouble, told in found.items()
    )
    return row("outage_hurt_calls", hurt, detail)


async def _held(bench: Bench) -> Row:
    events = bench.sizes.backlog_events
    bench.say(f"{events:,} events that nobody takes")
    log = bench.scratch / "backlog.log"
    facts = bench.traffic().facts()
    found = await run_task("backlog", log, events=events, traffic=facts)
    detail = (
        f"{found['taken']:,} events wait, {found['refused']:,} more refused; "
        f"{found['full_mib']:.0f} MiB, and {found['after_mib']:.0f} after those"
    )
    return row("outage_memory_mib", max(found["full_mib"], found["after_mib"]), detail)
