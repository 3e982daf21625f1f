"""Row `worker_memory_mib`: what a worker holds that remembers many ids and subjects."""

from __future__ import annotations

from taximeter.bench.feed import feeding
from taximeter.bench.rows import Row, row
from taximeter.bench.stage import Bench

__all__ = ["measure"]


async def measure(bench: Bench) -> list[Row]:
    """Return the row: the larger of two readings.

    The second one is taken after a quarter of the events has been sent once more:
    they are all known, so nothing may grow.
    """
    ids, users = bench.sizes.memory_ids, bench.sizes.memory_users
    traffic = bench.traffic(users)
    async with bench.stage(f"memory, {ids:,} ids, {users:,} users") as stage:
        partitions = stage.topics.partitions
        with stage.part("worker") as worker:
            async with feeding(stage) as feed:
                await feed.warm_up(worker, traffic)
                await feed.send(traffic.packed(0, ids, partitions))
                await feed.applied(worker)
                first = worker.resident_mib
                await feed.send(traffic.packed(0, ids // 4, partitions))
                await feed.applied(worker)
                second = worker.resident_mib
            remembered = worker.facts["remembered_ids"]
    detail = (
        f"{remembered:,} ids remembered, {users:,} users; "
        f"{first:.0f} MiB, and {second:.0f} after {ids // 4:,} duplicates more"
    )
    return [row("worker_memory_mib", max(first, second), detail)]
