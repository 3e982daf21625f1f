"""A process that emits a part of a stream, and says what it had accepted.

It prints a line when `emit` has returned true, and only then: how many events its
emitter held in memory and on disk at that moment. Then it waits to be killed.
"""

from __future__ import annotations

import signal
import sys
from itertools import islice
from pathlib import Path
from time import sleep
from typing import Any

from taximeter_producers.kafka import KafkaEmitter
from taximeter_schemas.topics import Topics
from taximeter_schemas.usage import UsageRecorded


def main() -> None:
    """Emit so many lines of a file, from a line on."""
    bootstrap, prefix, durability, spool_dir, file, start, count = sys.argv[1:]
    settings: dict[str, Any] = {"durability": durability, "max_pending": 1_000}
    if spool_dir:
        settings["spool_dir"] = spool_dir
    emitter = KafkaEmitter(bootstrap, Topics(prefix=prefix), **settings)
    with Path(file).open("rb") as lines:
        for line in islice(lines, int(start), int(start) + int(count)):
            event = UsageRecorded.model_validate_json(line)
            while not emitter.emit(event):
                sleep(0.01)
            stats = emitter.stats()
            print(stats.pending - stats.spooled, stats.spooled, flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
