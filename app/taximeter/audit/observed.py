"""What the workers made of the usage: the charges topic, and the spend table."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from pydantic_core import from_json

from taximeter.audit.recompute import Expected
from taximeter_processors.dedupe import IDS_PREFIX
from taximeter_processors.kafka import read_log
from taximeter_processors.meter import Progress
from taximeter_processors.sums import PROGRESS_KEY, decode_row
from taximeter_schemas.money import pico_from_usd
from taximeter_schemas.topics import Topics

__all__ = ["SpendTable", "charges_made", "spend_table"]


@dataclass
class SpendTable:
    """One partition's sums by kind of subject, as of one transaction."""

    next_offset: int = 0
    cost_pico: dict[str, int] = field(default_factory=dict[str, int])
    calls: int = 0
    unpriced_calls: int = 0


async def spend_table(bootstrap: str, topics: Topics, partition: int) -> SpendTable:
    """Read the pricing agent's rows of one partition, as they were last committed."""
    rows: dict[bytes, bytes] = {}
    async for records in read_log(bootstrap, topics.spend_table.name, partition):
        kept = ((r.key or b"", r.value) for r in records)
        rows |= {
            k: v for k, v in kept if v is not None and not k.startswith(IDS_PREFIX)
        }
    table = SpendTable()
    progress = rows.pop(PROGRESS_KEY, None)
    if progress is not None:
        table.next_offset = Progress.decode(progress).next_offset
    for key, value in rows.items():
        row = decode_row(key, value)
        cost = int(row.partial.cost_pico)
        table.cost_pico[row.kind] = table.cost_pico.get(row.kind, 0) + cost
        if row.kind == "all":
            table.calls += row.partial.calls
            table.unpriced_calls += row.partial.unpriced_calls
    return table


async def charges_made(
    bootstrap: str, topics: Topics, partition: int, end: int
) -> AsyncIterator[Expected]:
    """Yield the charges for usage before offset `end`, re-sent ones left out."""
    newest = -1
    async for records in read_log(bootstrap, topics.charges.name, partition):
        for record in records:
            charges = from_json(record.value or b"[]")
            offset = charges[0]["source_offset"] if charges else -1
            if newest < offset < end:
                newest = offset
                for charge in charges:
                    yield _made(charge)


def _made(charge: dict[str, Any]) -> Expected:
    cost = charge["cost_usd"]
    return Expected(
        int(charge["source_offset"] or 0),
        int(charge["source_position"] or 0),
        _pico(cost),
        str(charge["price_version"]),
        _pico(charge.get("list_cost_usd", cost)),
        int(charge["event_type"] == "UsagePriced"),
        _unpriced_calls(charge),
    )


def _pico(usd: str | int | None) -> int | None:
    return None if usd is None else pico_from_usd(Decimal(str(usd)))


def _unpriced_calls(charge: dict[str, Any]) -> int:
    if charge["event_type"] == "UsagePriced":
        return int(charge["cost_usd"] is None)
    repriced = charge.get("repriced") or {}
    return -1 if repriced.get("old_unpriced_reason") else 0
