"""Rows `added_p50_us` and `added_p99_us`: what metering adds to a call."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from taximeter.bench.children import run_task
from taximeter.bench.rows import Row, row
from taximeter.bench.stage import Bench

__all__ = ["measure", "rows_of"]

_OF: Final = {"added_p50_us": "p50", "added_p99_us": "p99"}


async def measure(bench: Bench) -> list[Row]:
    """Return both rows, each the dearest integration's; `parts` has them all."""
    calls = bench.sizes.metered_calls
    async with bench.stage(f"metered calls, {calls:,} with each client") as stage:
        found = await run_task(
            "added",
            stage.log,
            bootstrap=stage.bootstrap,
            prefix=stage.topics.prefix,
            calls=calls,
        )
    return rows_of(found, calls)


def rows_of(found: dict[str, Any], calls: int) -> list[Row]:
    """Return the rows of what was measured; None stands for what is not installed."""
    return [_row(name, of, found, calls) for name, of in _OF.items()]


def _row(name: str, of: str, found: dict[str, Any], calls: int) -> Row:
    parts = {each: told and round(told[of], 1) for each, told in found.items()}
    known = {each: added for each, added in parts.items() if added is not None}
    listed = ", ".join(
        f"{each} {'not installed' if added is None else f'{added:.1f}'}"
        for each, added in parts.items()
    )
    cpu = max(told["cpu"] for told in found.values() if told)
    detail = (
        f"{calls:,} calls metered and {calls:,} bare, in turns: {listed}; processor "
        f"time of all threads, p50, at most {cpu:.0f} us"
    )
    return replace(row(name, max(known.values()), detail), parts=parts)
