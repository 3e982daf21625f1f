"""Charge records as the pricing agent writes them, sent to a stage's topic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, NamedTuple, cast

from taximeter.bench.stage import Stage
from taximeter.bench.traffic import PackedRecord, Traffic
from taximeter_processors.calls import Call, read_usage
from taximeter_processors.charging import Amounts, ChargeWriter, tokens_in
from taximeter_processors.kafka import Writer
from taximeter_schemas.records import packed

__all__ = ["ChargeRecord", "charge_records", "send"]

_AT_ONCE: Final = 100
_PICO_PER_TOKEN: Final = 3_000_000


class ChargeRecord(NamedTuple):
    """One record of the `charges` topic."""

    partition: int
    key: bytes
    value: bytes


def charge_records(
    traffic: Traffic, rows: int, partitions: int
) -> Iterator[ChargeRecord]:
    """Yield the records of so many calls, from the first one of each partition on."""
    offsets = [0] * partitions
    for record in traffic.packed(0, rows, partitions):
        offset = offsets[record.partition]
        offsets[record.partition] += 1
        key = f"{record.partition}:{offset}".encode()
        yield ChargeRecord(record.partition, key, _charges(traffic, record, offset))


async def send(stage: Stage, records: Iterable[ChargeRecord]) -> None:
    """Write records to the stage's charges; return when Kafka has all of them."""
    left, charges = iter(records), stage.topics.charges.name
    writer = Writer(stage.bootstrap, "taximeter-bench")
    try:
        while some := list(islice(left, _AT_ONCE)):
            batches: dict[tuple[str, int], list[tuple[bytes | None, bytes | None]]] = {}
            for partition, key, value in some:
                batches.setdefault((charges, partition), []).append((key, value))
            await writer.write(batches)
    finally:
        await writer.close()


def _charges(traffic: Traffic, record: PackedRecord, offset: int) -> bytes:
    writer = ChargeWriter(record.partition, offset, traffic.start)
    readings = read_usage(record.value, traffic.start, ours=True)
    calls = zip(cast("list[Call]", readings.events), readings.encoded, strict=True)
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
