"""Row `import_ms`: what `import taximeter` adds to the start of a service."""

from __future__ import annotations

from taximeter.bench.children import run_task
from taximeter.bench.rows import Row, row
from taximeter.bench.stage import Bench

__all__ = ["measure"]


async def measure(bench: Bench) -> list[Row]:
    """Return the row: the least of some fresh processes."""
    times = bench.sizes.imports
    bench.say(f"import taximeter, {times} times")
    found = await run_task("importing", bench.scratch / "importing.log", times=times)
    detail = (
        f"the least of {times} processes; with start() and wrap "
        f"{found['started_ms']:.0f} ms"
    )
    return [row("import_ms", found["imported_ms"], detail)]
