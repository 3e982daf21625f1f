"""Row `sink`: rows a second from Kafka into the committed ledger."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final, cast

from taximeter.bench.children import run_task
from taximeter.bench.rows import Pair, Row, row_of_pairs
from taximeter.bench.stage import Bench, Stage
from taximeter.bench.traffic import PackedRecord, Traffic
from taximeter_processors.calls import Call, read_usage
from taximeter_processors.charging import Amounts, ChargeWriter, tokens_in
from taximeter_processors.kafka import Writer
from taximeter_schemas.records import packed

__all__ = ["measure"]

_AT_ONCE: Final = 100
_PICO_PER_TOKEN: Final = 3_000_000


async def measure(bench: Bench) -> list[Row]:
    """Return the row: the charges stand in Kafka before the sink is started."""
    pairs: list[Pair] = []
    found: dict[str, Any] = {}
    rows = bench.sizes.sink_rows
    async with bench.stage(f"sink, {rows:,} rows") as stage:
        await _fill(stage, bench.traffic(), rows)
        for turn in range(bench.repeat):
            found = await _task(stage, "sinking", f"sink-{turn}", rows)
            ready = await _task(stage, "ready_tables", f"tables-{turn}", rows)
            pairs.append(Pair(found["rows_per_second"], ready["rows_per_second"]))
    detail = (
        f"{rows:,} rows in records of up to 100, {found['commits']} commits, "
        f"{found['rows_per_cpu_second']:,.0f} rows per CPU second; "
        "reference: 10,000 rows a transaction"
    )
    return [row_of_pairs("sink", pairs, detail)]


async def _fill(stage: Stage, traffic: Traffic, rows: int) -> None:
    """Write charge records as the pricing agent writes them."""
    records = _charge_records(stage, traffic, rows)
    charges = stage.topics.charges.name
    writer = Writer(stage.bootstrap, "taximeter-bench")
    try:
        while some := list(islice(records, _AT_ONCE)):
            batches: dict[tuple[str, int], list[tuple[bytes | None, bytes | None]]] = {}
            for partition, key, value in some:
                batches.setdefault((charges, partition), []).append((key, value))
            await writer.write(batches)
    finally:
        await writer.close()


def _charge_records(
    stage: Stage, traffic: Traffic, rows: int
) -> Iterator[tuple[int, bytes, bytes]]:
    partitions = stage.topics.partitions
    offsets = [0] * partitions
    for record in traffic.packed(0, rows, partitions):
        offset = offsets[record.partition]
        offsets[record.partition] += 1
        key = f"{record.partition}:{offset}".encode()
        yield record.partition, key, _charges(traffic, record, offset)


def _charges(traffic: Traffic, record: PackedRecord, offset: int) -> bytes:
    writer = ChargeWriter(record.partition, offset, traffic.start)
    readings = read_usage(record.value, traffic.start, ours=True)
    calls = zip(cast("Sequence[Call]", readings.events), readings.encoded, strict=True)
    return packed(
        [
            writer.write(call, _amounts(call), position, encoded)
            for position, (call, encoded) in enumerate(calls)
        ]
    )


def _amounts(call: Call) -> Amounts:
    tokens = tokens_in(call.usage)
    half = tokens * _PICO_PER_TOKEN
    return Amounts(
        input_pico=half,
        output_pico=half,
        cost_pico=2 * half,
        tokens=tokens,
        calls=1,
        unpriced_reason=None,
        price_version="bench",
        price_match="bench",
    )


async def _task(stage: Stage, task: str, name: str, rows: int) -> dict[str, Any]:
    return await run_task(
        task,
        stage.log,
        bootstrap=stage.bootstrap,
        prefix=stage.topics.prefix,
        ledger=str(stage.data.path / f"{name}.duckdb"),
        rows=rows,
    )
