"""Row `cpu_growth`: does an event cost more when many have gone before it?"""

from __future__ import annotations

from typing import Final

from taximeter.bench.feed import Feed, feeding
from taximeter.bench.rows import Row, row
from taximeter.bench.stage import Bench, Part, Stage, until
from taximeter.bench.traffic import Traffic

__all__ = ["measure"]

_TIMES: Final = 5
_MILLION: Final = 1_000_000


async def measure(bench: Bench, stage: Stage, worker: Part, sink: Part) -> Row:
    """Return the row: CPU seconds per million events over 5 N and over the first N.

    Worker and sink have finished with the first N before the others are sent.
    """
    count = bench.sizes.growth_events
    bench.say(f"CPU growth, {count:,} and then {(_TIMES - 1) * count:,} events")
    async with feeding(stage) as feed:
        race = _Race(feed, worker, sink, bench.traffic(salt="growth"))
        await race.warm_up()
        few = await race.spent(count)
        bench.say(f"CPU growth, the first {count:,} are done")
        many = few + await race.spent((_TIMES - 1) * count)
    return _row(count, few, many)


class _Race:
    def __init__(self, feed: Feed, worker: Part, sink: Part, traffic: Traffic) -> None:
        self._feed = feed
        self._worker = worker
        self._sink = sink
        self._traffic = traffic
        self._next = 0
        self._rows_before = sink.facts.get("rows", 0)

    async def warm_up(self) -> None:
        await self._feed.warm_up(self._worker, self._traffic)
        await self._all_committed()

    async def spent(self, count: int) -> float:
        """Return the CPU seconds of worker and sink for this many more events."""
        before = self._cpu_seconds()
        first, self._next = self._next, self._next + count
        await self._feed.send(self._traffic.packed(first, count, 4))
        await self._feed.applied(self._worker)
        await self._all_committed()
        return self._cpu_seconds() - before

    async def _all_committed(self) -> None:
        rows = self._rows_before + self._feed.events
        await until(
            lambda: self._sink.facts.get("rows", 0) >= rows, f"{rows} rows committed"
        )

    def _cpu_seconds(self) -> float:
        return self._worker.cpu_seconds + self._sink.cpu_seconds


def _row(count: int, few: float, many: float) -> Row:
    per_million = many / (_TIMES * count) * _MILLION
    reference = few / count * _MILLION
    detail = f"worker and sink, {_TIMES * count:,} events against the first {count:,}"
    return row("cpu_growth", per_million, detail, reference)
