"""Carry an audit out: wait until all is through, take one cut, compare along it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from time import monotonic

from taximeter.audit.compare import AuditResult, PartitionAudit, compare_charges
from taximeter.audit.observed import (
    SpendTable,
    charges_made,
    recounted,
    spend_table,
)
from taximeter.audit.recompute import Recomputed, expected_charges
from taximeter.broker.admin import end_offsets
from taximeter_processors.kafka import first_offset
from taximeter_processors.price_book import litellm_price_books
from taximeter_processors.price_feed import learn_published
from taximeter_processors.price_versions import PriceBooks
from taximeter_processors.sums import AddedKey
from taximeter_schemas.money import pico_from_usd, usd_text
from taximeter_schemas.spend import Partial
from taximeter_schemas.topics import Topics
from taximeter_sinks.queries import Ledger, PartitionCharges

__all__ = ["audit"]

_LOOK_AGAIN_SECONDS = 0.25
_STANDSTILL_SECONDS = 5.0


def _silent(_: str) -> None:
    return


async def audit(
    bootstrap: str,
    topics: Topics,
    open_ledger: Callable[[], Ledger],
    say: Callable[[str], None] = _silent,
) -> AuditResult:
    """Recompute every charge and compare usage, charges, spend tables and ledger.

    The cut is what the workers' spend tables say they have applied; it waits for
    them, and for the sink, as long as they move on. What is behind the cut is told
    as `unprocessed`, and is no difference.

    Args:
        bootstrap: Kafka's address.
        topics: the installation's topics.
        open_ledger: opens the ledger for reading, at the moment it is called.
        say: told what is being waited for and read.

    Raises:
        BrokerUnavailable: if Kafka does not answer.
        LedgerUnavailable: if there is no ledger to read.
    """
    ends = await _usage_ends(bootstrap, topics)
    say("waiting until the workers have priced what is in the usage topic")
    tables = await _settled_tables(bootstrap, topics, ends)
    say("waiting until the sink has written the charges")
    await _settled_ledger(bootstrap, topics, open_ledger)
    books = litellm_price_books()
    await learn_published(bootstrap, topics, books)
    parts: list[PartitionAudit] = []
    for partition, table in enumerate(tables):
        say(f"recomputing partition {partition} up to offset {table.next_offset}")
        account = PartitionAudit(partition)
        account.unprocessed = max(0, ends[partition] - table.next_offset)
        await _compare(account, bootstrap, topics, table, books)
        parts.append(account)
    return _with_ledger(parts, tables, open_ledger)


async def _usage_ends(bootstrap: str, topics: Topics) -> list[int]:
    offsets = await end_offsets(bootstrap, [topics.usage])
    return offsets[topics.usage.name]


async def _settled_tables(
    bootstrap: str, topics: Topics, ends: list[int]
) -> list[SpendTable]:
    newest, moved_at = -1, monotonic()
    while True:
        tables = [
            await spend_table(bootstrap, topics, partition)
            for partition in range(topics.partitions)
        ]
        reached = sum(table.next_offset for table in tables)
        if reached > newest:
            newest, moved_at = reached, monotonic()
        through = all(
            table.next_offset >= end for table, end in zip(tables, ends, strict=True)
        )
        if through or monotonic() - moved_at > _STANDSTILL_SECONDS:
            return tables
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)


async def _settled_ledger(
    bootstrap: str, topics: Topics, open_ledger: Callable[[], Ledger]
) -> None:
    # What the tables of the cut stand for was committed with its charges, so all of
    # them are before these ends.
    ends = (await end_offsets(bootstrap, [topics.charges]))[topics.charges.name]
    newest, moved_at = -1, monotonic()
    while monotonic() - moved_at < _STANDSTILL_SECONDS:
        with open_ledger() as ledger:
            consumed = ledger.consumed_offsets()
        reached = [consumed.get((topics.charges.name, p), 0) for p in range(len(ends))]
        if all(at >= end for at, end in zip(reached, ends, strict=True)):
            return
        if sum(reached) > newest:
            newest, moved_at = sum(reached), monotonic()
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)


async def _compare(
    account: PartitionAudit,
    bootstrap: str,
    topics: Topics,
    table: SpendTable,
    books: PriceBooks,
) -> None:
    partition, end = account.partition, table.next_offset
    seen = Recomputed()
    await compare_charges(
        account,
        expected_charges(bootstrap, topics, partition, end, books, seen),
        charges_made(bootstrap, topics, partition, end),
    )
    account.duplicates = seen.duplicates
    account.dead_letters = seen.dead_letters
    account.forwarded = seen.forwarded
    account.table_pico = table.cost_pico.get("all", 0)
    for kind, pico in table.cost_pico.items():
        by = pico - account.table_pico
        if by:
            account.differs(by, f"spend by {kind} differs from all spend: {_by(by)}")
    # With the oldest usage gone, the table knows more than can be recomputed.
    if await first_offset(bootstrap, topics.usage.name, partition) == 0:
        _compare_table(account, table)
    if table.others and not await first_offset(
        bootstrap, topics.charges.name, partition
    ):
        must = await recounted(bootstrap, topics, partition, table)
        for kind, sums in must.items():
            _compare_kind(account, kind, table.others[kind], sums)


def _compare_kind(
    account: PartitionAudit,
    kind: str,
    found: Mapping[AddedKey, Partial],
    must: Mapping[AddedKey, int],
) -> None:
    for place in found.keys() | must.keys():
        have = int(found[place].cost_pico) if place in found else 0
        if by := have - must.get(place, 0):
            said = f"spend of {kind} {place[0]} differs from its charges: {_by(by)}"
            account.differs(by, said)


def _compare_table(account: PartitionAudit, table: SpendTable) -> None:
    by = account.table_pico - account.recomputed_pico
    if by:
        account.differs(by, f"spend table differs from recomputation: {_by(by)}")
    calls = table.calls - account.calls
    if calls:
        account.differs(0, f"spend table has {calls:+d} calls")
    unpriced = table.unpriced_calls - account.unpriced
    if unpriced:
        account.differs(0, f"spend table has {unpriced:+d} unpriced calls")


def _with_ledger(
    parts: list[PartitionAudit],
    tables: list[SpendTable],
    open_ledger: Callable[[], Ledger],
) -> AuditResult:
    cut = {part.partition: tables[part.partition].next_offset - 1 for part in parts}
    with open_ledger() as ledger:
        charged = ledger.charged_by_partition(cut)
        twice = ledger.duplicates()
        misrolled = ledger.misrolled()
    for part in parts:
        found = charged.get(part.partition)
        if found is not None:
            part.ledger_pico = pico_from_usd(found.cost_usd)
            part.ledger_rows = found.rows
        _compare_ledger(part, tables[part.partition], found)
    return AuditResult(parts, twice.event_ids + twice.places, misrolled)


def _compare_ledger(
    part: PartitionAudit, table: SpendTable, found: PartitionCharges | None
) -> None:
    by = part.ledger_pico - part.table_pico
    if by:
        part.differs(by, f"ledger differs from the spend table: {_by(by)}")
    listed = pico_from_usd(found.list_cost_usd) if found else 0
    if listed != part.list_pico and part.ledger_rows == part.charges:
        more = _by(listed - part.list_pico)
        part.differs(0, f"ledger's list cost differs from the charges': {more}")
    unpriced = (found.unpriced if found else 0) - table.unpriced_calls
    if unpriced:
        part.differs(0, f"ledger has {unpriced:+d} unpriced calls")
    if part.ledger_rows < part.charges:
        missing = part.charges - part.ledger_rows
        part.differs(0, f"ledger lacks {missing} rows")
    if found and found.misstated:
        part.differs(0, f"ledger has {found.misstated} rows with other quick sums")


def _by(pico: int) -> str:
    return f"{usd_text(pico)} USD"
