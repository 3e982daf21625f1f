"""Tasks in a process of their own: references, so that nothing else is in the way."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

from taximeter.bench.machine import preparing
from taximeter.logs import open_log
from taximeter_schemas.errors import PartFailed

__all__ = ["run_task"]


async def run_task(
    task: str, log: Path, cores: frozenset[int] | None = None, **facts: object
) -> dict[str, Any]:
    """Run one of `taximeter.bench.tasks` and return what it measured.

    Args:
        task: its name.
        log: where its stderr goes.
        cores: the cores that it may use; None for all.
        facts: what it is told; plain JSON.

    Raises:
        PartFailed: it did not end well.
    """
    with open_log(log) as words:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "taximeter.bench.tasks", task, json.dumps(facts)),
            stdout=PIPE,
            stderr=words,
            preexec_fn=preparing(cores),
        )
        try:
            answer, _ = await process.communicate()
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
    if process.returncode:
        raise PartFailed(task, f"exit code {process.returncode}", log)
    found: dict[str, Any] = json.loads(answer)
    return found
