"""Row `pricing`: usages that the price book alone prices, on one core."""

from __future__ import annotations

from typing import Final

from taximeter.bench.children import run_task
from taximeter.bench.rows import Pair, Row, row_of_pairs
from taximeter.bench.stage import Bench

__all__ = ["measure"]

_TIMES: Final = 20


async def measure(bench: Bench) -> list[Row]:
    """Return the row; the same usages go through litellm, one process each."""
    ours, theirs = bench.sizes.priced_usages, bench.sizes.priced_usages // _TIMES
    bench.say(f"pricing, {ours:,} usages")
    pairs = [
        Pair(
            await _rate(bench, "price_book", ours),
            await _rate(bench, "litellm_prices", max(1, theirs)),
        )
        for _ in range(bench.repeat)
    ]
    detail = (
        f"{ours:,} chat usages of 4 models, a CPU second; reference: litellm's "
        f"cost_per_token on {max(1, theirs):,} of them"
    )
    return [row_of_pairs("pricing", pairs, detail)]


async def _rate(bench: Bench, task: str, usages: int) -> float:
    log = bench.scratch / f"{task}.log"
    found = await run_task(task, log, bench.cores.measured, usages=usages)
    return float(found["usages_per_second"])
