"""What `import taximeter` takes, and the three lines that meter a service."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, Final

__all__ = ["run"]

_PROGRAM: Final = """
from time import perf_counter
began = perf_counter()
import taximeter
imported = perf_counter()
taximeter.start(bootstrap="127.0.0.1:1")
taximeter.wrap
print(imported - began, perf_counter() - began, flush=True)
taximeter.stop(0)
"""


def run(facts: dict[str, Any]) -> dict[str, Any]:
    """Return the least of so many fresh processes, in milliseconds."""
    said = [_once() for _ in range(facts["times"])]
    imported, started = (min(column) * 1000 for column in zip(*said, strict=True))
    return {"imported_ms": imported, "started_ms": started}


def _once() -> tuple[float, ...]:
    out = subprocess.run(
        [sys.executable, "-c", _PROGRAM], check=True, capture_output=True
    )
    return tuple(map(float, out.stdout.split()))
