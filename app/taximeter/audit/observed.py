"""What the workers made of the usage: the charges topic, and the spend table."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

import msgspec

from taximeter.audit.recompute import Expected
from taximeter_processors.dedupe import IDS_PREFIX
from taximeter_processors.kafka import read_log
from taximeter_processors.kinds import KINDS_KEY, Kinds
from taximeter_processors.meter import Progress
from taximeter_processors.recount import Recount
from taximeter_processors.sums import PROGRESS_KEY, AddedKey, decode_row
from taximeter_schemas.money import pico_from_usd
from taximeter_schemas.spend import Partial
from taximeter_schemas.subjects import ALWAYS_COUNTED
from taximeter_schemas.topics import Topics

__all__ = ["SpendTable", "charges_made", "recounted", "spend_table"]


@dataclass
class SpendTable:
    """One partition's sums by kind of subject, as of one transaction.

    `others` are the rows of the kinds that are counted because budgets ask for them,
    where nothing that was charged is missing in them.
    """

    next_offset: int = 0
    cost_pico: dict[str, int] = field(default_factory=dict[str, int])
    calls: int = 0
    unpriced_calls: int = 0
    others: dict[str, dict[AddedKey, Partial]] = field(
        default_factory=dict[str, dict[AddedKey, Partial]]
    )


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
    kinds = Kinds(rows.pop(KINDS_KEY, None)).counted
    table.others = {kind: {} for kind, counted in kinds.items() if counted.complete}
    if progress is not None:
        table.next_offset = Progress.decode(progress).next_offset
    for key, value in rows.items():
        row = decode_row(key, value)
        if row.kind not in ALWAYS_COUNTED:
            counted = kinds.get(row.kind)
            if counted and counted.complete and row.partial.offset >= counted.floor:
                table.others[row.kind][row.id, row.window_start] = row.partial
            continue
        cost = int(row.partial.cost_pico)
        table.cost_pico[row.kind] = table.cost_pico.get(row.kind, 0) + cost
        if row.kind == "all":
            table.calls += row.partial.calls
            table.unpriced_calls += row.partial.unpriced_calls
    return table


async def recounted(
    bootstrap: str, topics: Topics, partition: int, table: SpendTable
) -> dict[str, dict[AddedKey, int]]:
    """Return in pico-dollars what `others` must say, from the charges themselves."""
    recount = Recount(dict.fromkeys(table.others, table.next_offset))
    async for records in read_log(bootstrap, topics.charges.name, partition):
        for record in records:
            recount.take(record.value or b"[]")
    return {
        kind: {place: added.cost_pico for place, added in sums.items()}
        for kind, sums in recount.sums.items()
    }


async def charges_made(
    bootstrap: str, topics: Topics, partition: int, end: int
) -> AsyncIterator[Expected]:
    """Yield the charges for usage before offset `end`, re-sent ones left out."""
    newest = -1
    async for records in read_log(bootstrap, topics.charges.name, partition):
        for record in records:
            charges = _charges.decode(record.value or b"[]")
            offset = charges[0].source_offset if charges else -1
            if newest < offset < end:
                newest = offset
                for charge in charges:
                    yield _made(charge)


class _Repriced(msgspec.Struct, gc=False):
    old_unpriced_reason: str | None = None


class _Charge(msgspec.Struct, gc=False):
    """What an audit looks at: all else in a charge is passed over, which is quick."""

    event_type: str
    source_offset: int
    source_position: int
    cost_usd: Decimal | None
    price_version: str
    list_cost_usd: Decimal | msgspec.UnsetType | None = msgspec.UNSET
    repriced: _Repriced | None = None


_charges: Final = msgspec.json.Decoder(list[_Charge])


def _made(charge: _Charge) -> Expected:
    cost = listed = _pico(charge.cost_usd)
    if charge.list_cost_usd is not msgspec.UNSET:
        listed = _pico(charge.list_cost_usd)
    return Expected(
        charge.source_offset,
        charge.source_position,
        cost,
        charge.price_version,
        listed,
        int(charge.event_type == "UsagePriced"),
        _unpriced_calls(charge),
    )


def _pico(usd: Decimal | None) -> int | None:
    return None if usd is None else pico_from_usd(usd)


def _unpriced_calls(charge: _Charge) -> int:
    if charge.event_type == "UsagePriced":
        return int(charge.cost_usd is None)
    return -1 if charge.repriced and charge.repriced.old_unpriced_reason else 0
