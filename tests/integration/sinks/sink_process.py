"""A sink as a process of its own, so that a test can kill it.

Prints one JSON line when it serves, and one for every flush.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

from taximeter_schemas.topics import Topics
from taximeter_sinks.quack import ServedLedger
from taximeter_sinks.sink import Progress, SinkConfig, run_sink


def _tell(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


def _ready(served: ServedLedger) -> None:
    _tell(port=served.port)


def _flushed(progress: Progress) -> None:
    flushed = progress.flushed
    _tell(rows=flushed.rows, skipped=flushed.skipped)


async def _main(bootstrap: str, prefix: str, ledger: str, token: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    config = SinkConfig(
        bootstrap=bootstrap,
        topics=Topics(prefix=prefix),
        ledger=Path(ledger),
        quack_token=token,
        flush_seconds=0.05,
        flush_bytes=200_000,
    )
    await run_sink(config, stop, _ready, _flushed)


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
