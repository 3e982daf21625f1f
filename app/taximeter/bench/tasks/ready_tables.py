"""Reference: inserting the same charges as ready Arrow tables, 25,000 a transaction."""

from __future__ import annotations

import asyncio
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from taximeter.broker.topic_io import read_topic
from taximeter_schemas.topics import Topics
from taximeter_sinks.decode import RawRecord, decode_charges
from taximeter_sinks.ledger_file import open_for_writing
from taximeter_sinks.ledger_rows import insert_charges
from taximeter_sinks.migrate import migrate
from taximeter_sinks.sink import SinkConfig

__all__ = ["run"]

_ROWS: Final = 25_000


def run(facts: dict[str, Any]) -> dict[str, Any]:
    """Read and decode the charges topic, then insert its rows into a new ledger."""
    charges = Topics(prefix=facts["prefix"]).charges
    records = asyncio.run(read_topic(facts["bootstrap"], charges))
    table = decode_charges(
        [RawRecord(charges.name, *record) for record in records]
    ).table
    path = Path(facts["ledger"])
    ledger = open_for_writing(path, SinkConfig.memory_limit, SinkConfig.threads)
    migrate(ledger, path)
    started = perf_counter()
    for first in range(0, table.num_rows, _ROWS):
        ledger.execute("BEGIN")
        insert_charges(ledger, table.slice(first, _ROWS))
        ledger.execute("COMMIT")
    seconds = perf_counter() - started
    ledger.close()
    return {"rows": table.num_rows, "rows_per_second": table.num_rows / seconds}
