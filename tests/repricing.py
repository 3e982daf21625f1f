"""A worker, a ledger and somebody who re-prices, on the bench: no broker, no file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

import duckdb

from taximeter.repricing.differences import Comparison, Wish
from taximeter.repricing.priced_calls import priced_calls
from taximeter_processors.price_versions import PriceBooks
from taximeter_schemas.money import pico_from_usd
from taximeter_schemas.prices import PricesDefined
from taximeter_schemas.records import packed
from taximeter_sinks.charge_sums import REPRICING_SINCE, unpriced_calls
from taximeter_sinks.charged_calls import (
    CallFilter,
    Extent,
    calls_query,
    extent_query,
    stretches,
)
from taximeter_sinks.columns import Columns, as_columns
from taximeter_sinks.decode import RawRecord, decode_charges
from taximeter_sinks.ledger_rows import insert_charges
from taximeter_sinks.migrate import migrate
from taximeter_sinks.roll_ups import ROLL_UPS
from taximeter_sinks.spend import unpriced_query
from tests.builders import NOON
from tests.metering import Bench

__all__ = ["VERSIONS", "Site", "price_books"]

VERSIONS: Final = ("v1", "v2", "v3")
Entries = dict[str, dict[str, object] | None]

_EVERYTHING: Final = CallFilter()
_PARTITIONS: Final = 1


@cache
def price_books() -> PriceBooks:
    """Return three versions; v1 is in force now.

    Of the models `cheaper` and `long` have a price in each, `newer` from v2 on, and
    `older` in v1 only. Long requests of `long` cost more.
    """
    first = {
        "cheaper": _entry("3.000000000001e-6"),
        "long": _entry("1e-6", input_cost_per_token_above_128k_tokens="2e-6"),
        "older": _entry("5e-6"),
    }
    books = PriceBooks(first, "v1")
    second: Entries = {
        "cheaper": _entry("1e-6"),
        "newer": _entry("4e-6"),
        "older": None,
    }
    third: Entries = {"cheaper": _entry("0"), "newer": _entry("0")}
    for name, base, entries in (("v2", "v1", second), ("v3", "v2", third)):
        books.learn(_version(name, base, entries), NOON)
    return books


class Site:
    """What a worker made of `usage`, and a ledger that has it, a stretch at a time."""

    def __init__(self, books: PriceBooks | None = None) -> None:
        self.books = books or price_books()
        self.bench = Bench(self.books.known_at(NOON), 0, _PARTITIONS)
        self.now = NOON
        self.ledger = _ledger().cursor()
        for table in ("charges", *(roll_up.table for roll_up in ROLL_UPS)):
            self.ledger.execute(f"DELETE FROM {table}")
        self._landed = 0

    def later(self, hours: float) -> None:
        """Let time pass; after a day ids are forgotten."""
        self.now += timedelta(hours=hours)

    def send(self, events: Sequence[bytes]) -> None:
        """Have events charged, and the charges in the ledger."""
        if events:
            self.bench.send(packed(events), self.now, _PARTITIONS)
            self.bench.apply()
            self.bench.flush()
        records = self.bench.charge_records[self._landed :]
        self._landed += len(records)
        raw = [
            RawRecord("charges", 0, offset, key, value)
            for offset, (key, value) in enumerate(records)
        ]
        decoded = decode_charges(raw)
        assert not decoded.undecodable
        insert_charges(self.ledger, decoded.table)

    def repricings(
        self, version: str | None, wanted: CallFilter = _EVERYTHING
    ) -> tuple[list[bytes], Comparison]:
        """Return what a run would send now, and what it would show.

        Without a version, the prices are those in force when each call was made.
        """
        soon = self.now + timedelta(hours=1)
        prices = self.books.named(version) if version else self.books.known_at(soon)
        comparison = Comparison(prices, Wish('a "reason"', "grace"))
        extent = Extent.of(self.rows(extent_query(wanted))[0])
        if extent is None:
            return [], comparison
        events = [
            comparison.encoded(one, priced).value
            for stretch in self._stretches(wanted, extent)
            for one, priced in comparison.differing(priced_calls(stretch, extent.units))
        ]
        return events, comparison

    def _stretches(self, wanted: CallFilter, extent: Extent) -> Iterable[Columns]:
        for stretch in stretches(extent, 3):
            query = calls_query(wanted, extent.units, stretch, own=True)
            yield as_columns(self.ledger.execute(query))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the ledger."""
        return self.ledger.execute(query).fetchall()

    def cost_pico(self, where: str = "true") -> int:
        """Return what the ledger sums to."""
        query = f"SELECT coalesce(sum(cost_usd), 0) FROM charges WHERE {where}"
        return pico_from_usd(self.rows(query)[0][0])

    def unpriced(self) -> int:
        """Return how many calls have no price."""
        query = f"SELECT {unpriced_calls(REPRICING_SINCE)} FROM charges"
        return int(self.rows(query)[0][0])

    def missing(self) -> dict[str, int]:
        """Return for each model how many calls wait for a price."""
        rows = self.rows(unpriced_query())
        return {row[1]: row[4] for row in rows}


@cache
def _ledger() -> duckdb.DuckDBPyConnection:
    # Making one takes longer than most that is done with it; a test empties it first.
    ledger = duckdb.connect()
    migrate(ledger, Path("memory"))
    return ledger


def _entry(usd: str, **others: str) -> dict[str, object]:
    prices = {"input_cost_per_token": usd, "output_cost_per_token": usd}
    return {"litellm_provider": "acme", "mode": "chat", **prices, **others}


def _version(name: str, base: str, entries: Entries) -> PricesDefined:
    return PricesDefined(
        event_type="PricesDefined",
        price_version=name,
        effective_from=_never(),
        layer="list",
        base=base,
        source="tests",
        content_hash="0",
        models=len(entries),
        entries={k: json.dumps(v) if v else None for k, v in entries.items()},
    )


def _never() -> datetime:
    return NOON + timedelta(days=365)
