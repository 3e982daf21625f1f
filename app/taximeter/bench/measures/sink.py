"""Row `sink`: rows a second from Kafka into the committed ledger."""

from __future__ import annotations

from typing import Any

from taximeter.bench.charges import charge_records, send
from taximeter.bench.children import run_task
from taximeter.bench.rows import Pair, Row, row_of_pairs
from taximeter.bench.stage import Bench, Stage

__all__ = ["measure"]


async def measure(bench: Bench) -> list[Row]:
    """Return the row: the charges stand in Kafka before the sink is started."""
    pairs: list[Pair] = []
    found: dict[str, Any] = {}
    rows = bench.sizes.sink_rows
    async with bench.stage(f"sink, {rows:,} rows") as stage:
        partitions = stage.topics.partitions
        await send(stage, charge_records(bench.traffic(), rows, partitions))
        for turn in range(bench.repeat):
            found = await _task(stage, "sinking", f"sink-{turn}", rows)
            ready = await _task(stage, "ready_tables", f"tables-{turn}", rows)
            pairs.append(Pair(found["rows_per_second"], ready["rows_per_second"]))
    detail = (
        f"{rows:,} rows in records of up to 100, {found['commits']} commits, "
        f"{found['rows_per_cpu_second']:,.0f} rows per CPU second; "
        "reference: 25,000 rows a transaction"
    )
    return [row_of_pairs("sink", pairs, detail)]


async def _task(stage: Stage, task: str, name: str, rows: int) -> dict[str, Any]:
    return await run_task(
        task,
        stage.log,
        bootstrap=stage.bootstrap,
        prefix=stage.topics.prefix,
        ledger=str(stage.data.path / f"{name}.duckdb"),
        rows=rows,
    )
