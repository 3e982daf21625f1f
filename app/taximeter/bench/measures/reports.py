"""Rows `report_ms` and `month_report_ms`: how long reports take while calls come in.

The ledger has a year of calls, in the order in which they came; a sink serves it and
writes 5,000 rows a second meanwhile. A row is its slowest report.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from itertools import chain, islice
from pathlib import Path
from statistics import median_low
from time import perf_counter
from typing import Final

from taximeter.bench.charges import charge_records, send
from taximeter.bench.rows import Row, row
from taximeter.bench.stage import Bench, Stage
from taximeter.bench.traffic import RECORD_EVENTS
from taximeter.reading import open_ledger
from taximeter.reports.figures import figure_rows
from taximeter.reports.overview import overview
from taximeter.spend_report import Stretch, spend_rows
from taximeter_sinks.decode import RawRecord, decode_charges
from taximeter_sinks.ledger_file import open_for_writing
from taximeter_sinks.ledger_rows import insert_charges, roll_up_anew
from taximeter_sinks.migrate import migrate
from taximeter_sinks.queries import Ledger
from taximeter_sinks.quick_sums import QUICK_SUMS, with_quick_sums

__all__ = ["measure"]

_PER_SECOND: Final = 5_000
_ROWS: Final = 3_600 * _PER_SECOND
_MADE_SECONDS: Final = 30
_TIMES: Final = 5
_MS: Final = 1_000
_MEMORY: Final = "2GB"
_AT_ONCE: Final = 1_000_000

# Few users make most calls; every twentieth call begins a conversation.
_CALL: Final = """(
    SELECT template.* EXCLUDE ({quick}) REPLACE (
        uuid() AS event_id,
        TIMESTAMPTZ '{until}' - to_seconds(31536000.0 * ({rows} - n) / {rows})
            AS occurred_at,
        'user-' || (20000 * pow(random(), 3))::INT AS user_id,
        'project-' || (hash(n + 1) % 50) AS project_id,
        'model-' || (40 * pow(random(), 2))::INT AS model,
        'conversation-' || (n // 20) AS conversation_id,
        drawn::DECIMAL(38, 12) AS cost_usd,
        drawn::DECIMAL(38, 12) AS list_cost_usd,
        1000000 + n AS source_offset
    )
    FROM (SELECT n, random() / 10 AS drawn FROM range({first}, {last}) AS calls(n)),
        (FROM charges LIMIT 1) AS template
)"""
_CALLS: Final = f"INSERT INTO charges BY NAME {with_quick_sums(_CALL)}"

_Question = Callable[[Ledger], object]


async def measure(bench: Bench) -> list[Row]:
    """Return both rows."""
    rows, now = bench.sizes.report_rows, bench.traffic().start
    async with bench.stage(f"reports over {rows:,} charges") as stage:
        await asyncio.to_thread(_fill, stage, bench, rows)
        with stage.part("sink"):
            async with _written(stage, bench):
                found = await asyncio.to_thread(_asked, stage, now)
    about = f"{rows:,} charges, {_PER_SECOND:,} rows/s written meanwhile"
    return [
        _row("report_ms", found[:5], f"{about}, all time"),
        _row("month_report_ms", found[5:], f"{about}, 30 days"),
    ]


def _questions(now: datetime) -> dict[str, _Question]:
    ever, month = Stretch(), Stretch(now - timedelta(days=30), now)
    return {
        "overview": lambda ledger: overview(ledger, ever, now),
        "by model": lambda ledger: figure_rows(ledger, ("model",), ever),
        "by user": lambda ledger: spend_rows(ledger, ("user",), ever, 10),
        "by project": lambda ledger: spend_rows(ledger, ("project",), ever, 10),
        "by day": lambda ledger: spend_rows(ledger, ("day",), ever),
        "user and model": lambda ledger: figure_rows(
            ledger, ("user", "model"), month, 50
        ),
        "project and day": lambda ledger: figure_rows(
            ledger, ("project", "day"), month
        ),
        "model and hour": lambda ledger: figure_rows(ledger, ("model", "hour"), month),
    }


def _asked(stage: Stage, now: datetime) -> list[tuple[str, float]]:
    with open_ledger(stage.data) as ledger:
        questions = _questions(now).items()
        return [(name, _took(partial(ask, ledger))) for name, ask in questions]


def _took(ask: Callable[[], object]) -> float:
    seconds = []
    for _ in range(_TIMES):
        began = perf_counter()
        ask()
        seconds.append(perf_counter() - began)
    return median_low(seconds) * _MS


def _row(name: str, found: Sequence[tuple[str, float]], about: str) -> Row:
    told = ", ".join(f"{report} {ms:.0f}" for report, ms in found)
    return row(name, max(ms for _, ms in found), f"{about}: {told}")


def _fill(stage: Stage, bench: Bench, rows: int) -> None:
    """Write the ledger before a sink has it, from one call of the traffic."""
    traffic = bench.traffic(salt="first")
    (record, *_) = charge_records(traffic, 1, stage.topics.partitions)
    raw = RawRecord(stage.topics.charges.name, record.partition, 0, *record[1:])
    ledger = open_for_writing(Path(stage.data.ledger), _MEMORY, 2)
    try:
        migrate(ledger, stage.data.ledger)
        insert_charges(ledger, decode_charges([raw]).table)
        for first in range(0, rows, _AT_ONCE):
            last = min(rows, first + _AT_ONCE)
            until, quick = traffic.start.isoformat(), ", ".join(QUICK_SUMS)
            ledger.execute(
                _CALLS.format(
                    rows=rows, first=first, last=last, until=until, quick=quick
                )
            )
        roll_up_anew(ledger)
    finally:
        ledger.close()


@asynccontextmanager
async def _written(stage: Stage, bench: Bench) -> AsyncIterator[None]:
    """Send charges at a steady rate for as long as the block runs."""
    records = charge_records(bench.traffic(), _ROWS, stage.topics.partitions)
    each_second = _PER_SECOND // RECORD_EVENTS
    # Making them is not what reports are measured beside; more would be too large.
    made = list(islice(records, _MADE_SECONDS * each_second))
    records = chain(made, records)

    async def write() -> None:
        while some := list(islice(records, each_second)):
            await asyncio.gather(send(stage, some), asyncio.sleep(1))

    writing = asyncio.create_task(write())
    try:
        yield
    finally:
        writing.cancel()
