"""Row `reprice_s`: how long it takes until history stands at other prices.

The ledger has been filled by a worker and a sink, which go on running; every call
changes its price. What the audit says afterwards stands in the detail.
"""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from time import perf_counter
from typing import Final

from taximeter.audit import audit
from taximeter.bench.feed import feeding
from taximeter.bench.rows import Row, row
from taximeter.bench.stage import Bench, Part, Stage, until
from taximeter.bench.traffic import Traffic
from taximeter.demo.cast import MODELS
from taximeter.logs import open_log
from taximeter.price_publishing import list_version, publish_prices, published_books
from taximeter.reading import open_ledger
from taximeter_processors.price_versions import SETTLING
from taximeter_schemas.errors import PartFailed

__all__ = ["measure"]

_PRICE: Final = "input_cost_per_token"
_DAY: Final = timedelta(days=1)


async def measure(bench: Bench) -> list[Row]:
    """Return the row: from the start of the command until the ledger has it all.

    Raises:
        PartFailed: the command did not do it.
    """
    count, traffic = bench.sizes.repriced_calls, bench.traffic()
    async with bench.stage(f"re-pricing {count:,} calls") as stage:
        with stage.metering() as (worker, sink):
            await _charged(stage, worker, sink, traffic, count)
            await _publish_other_prices(stage, traffic.start - _DAY)
            bench.say("all calls are in the ledger; re-pricing them")
            began = perf_counter()
            adjusted = await _reprice(stage, traffic.start)
            seconds = perf_counter() - began
            bench.say("re-priced; auditing")
            result = await audit(
                stage.bootstrap, stage.topics, partial(open_ledger, stage.data)
            )
    charges, difference = result.total("charges"), format(result.difference_usd, "f")
    detail = (
        f"{count:,} calls of {len(MODELS)} models, {adjusted:,} adjustments; "
        f"audit of {charges:,} charges: difference {difference} USD"
    )
    return [row("reprice_s", seconds, detail)]


async def _charged(
    stage: Stage, worker: Part, sink: Part, traffic: Traffic, count: int
) -> None:
    """Have this many calls charged, and in the ledger."""
    async with feeding(stage) as feed:
        await feed.send(traffic.packed(0, count, stage.topics.partitions))
        await feed.applied(worker)
    await until(lambda: sink.facts.get("rows", 0) >= count, f"{count} rows committed")


async def _publish_other_prices(stage: Stage, effective_from: datetime) -> None:
    """Put a list in force in which what goes in costs twice as much."""
    books = await published_books(stage.bootstrap, stage.topics)
    _, entries = books.list_at(effective_from)
    other = {name: _dearer(name, fields) for name, fields in entries.items()}
    version = list_version(books, other, "bench", b"twice", effective_from)
    await publish_prices(stage.bootstrap, stage.topics, [version])
    await asyncio.sleep(SETTLING.total_seconds())


def _dearer(name: str, fields: Mapping[str, object]) -> Mapping[str, object]:
    price = fields.get(_PRICE)
    if price is None or name.rpartition("/")[2] not in {m.name for m in MODELS}:
        return fields
    return {**fields, _PRICE: Decimal(str(price)) * 2}


async def _reprice(stage: Stage, around: datetime) -> int:
    """Return how many adjustments the command has written."""
    start, end = (moment.isoformat() for moment in (around - _DAY, around + _DAY))
    taximeter = (sys.executable, "-m", "taximeter.cli", "reprice", "--apply", "--yes")
    where = ("--data", str(stage.data.path), "--bootstrap", stage.bootstrap)
    topics = ("--prefix", stage.topics.prefix)
    log = stage.data.logs / "reprice.log"
    with open_log(log) as out:
        command = await asyncio.create_subprocess_exec(
            *taximeter, *where, *topics, "--from", start, "--to", end,
            "--format", "json", stdin=DEVNULL, stdout=PIPE, stderr=out,
        )  # fmt: skip
        told, _ = await command.communicate()
    if command.returncode:
        raise PartFailed("reprice", f"exit code {command.returncode}", log)
    sent: int = json.loads(told)["sent"]
    return sent
