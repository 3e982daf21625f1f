"""Rows `emit_p50_us` and `emit_p99_us`: what `emit()` takes of the caller's thread."""

from __future__ import annotations

from time import perf_counter_ns
from typing import Final

from taximeter.bench.emitting import paced
from taximeter.bench.quantiles import quantile
from taximeter.bench.rows import Row, row
from taximeter.bench.stage import Bench, Stage
from taximeter_producers.kafka import KafkaEmitter
from taximeter_schemas.usage import UsageRecorded

__all__ = ["measure"]

_PER_SECOND: Final = 1_000
_NS_PER_US: Final = 1_000


async def measure(bench: Bench) -> list[Row]:
    """Return both rows, from a paced run; the detail has one without a pause."""
    count = int(bench.sizes.emit_seconds * _PER_SECOND)
    async with bench.stage(f"emit(), {count:,} at {_PER_SECOND:,} a second") as stage:
        slow = await _paced(bench, stage, count)
        fast = _back_to_back(bench, stage)
    detail = f"{count:,} calls at {_PER_SECOND:,}/s; back to back {_words(fast)}"
    return [
        row("emit_p50_us", quantile(slow, 50) / _NS_PER_US, detail),
        row("emit_p99_us", quantile(slow, 99) / _NS_PER_US, detail),
    ]


async def _paced(bench: Bench, stage: Stage, count: int) -> list[float]:
    traffic = bench.traffic()
    events = [traffic.event(number) for number in range(count)]
    with KafkaEmitter(stage.bootstrap, stage.topics).start() as emitter:
        took: list[float] = []
        await paced(
            count, _PER_SECOND, lambda n: took.append(_timed(emitter, events[n]))
        )
    return took


def _back_to_back(bench: Bench, stage: Stage) -> list[float]:
    count, traffic = bench.sizes.emits_back_to_back, bench.traffic()
    events = [traffic.event(number) for number in range(-count, 0)]
    with KafkaEmitter(stage.bootstrap, stage.topics).start() as emitter:
        return [_timed(emitter, event) for event in events]


def _timed(emitter: KafkaEmitter, event: UsageRecorded) -> float:
    started = perf_counter_ns()
    emitter.emit(event)
    return perf_counter_ns() - started


def _words(took: list[float]) -> str:
    p50, p99 = quantile(took, 50) / _NS_PER_US, quantile(took, 99) / _NS_PER_US
    rate = len(took) / sum(took) * 1e9
    return f"({len(took):,}): p50 {p50:.1f}, p99 {p99:.1f} us, {rate:,.0f} a second"
