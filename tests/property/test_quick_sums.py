"""Quick sums: reports say what adding up every row in full would say."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from taximeter_schemas.charges import Charge
from taximeter_schemas.usage import Usage
from taximeter_sinks.decode import decode_charges
from taximeter_sinks.ledger_rows import insert_charges
from taximeter_sinks.migrate import migrate
from taximeter_sinks.quick_sums import MISSTATED
from taximeter_sinks.spend import spend_query
from tests.builders import NOON, a_repricing, a_usage, an_id
from tests.unit.sinks.charge_builders import (
    a_charge,
    a_repriced_charge,
    an_adjustment,
    charges_record,
)

LARGE = "1000000"
AMOUNTS = ["0", "0.000000000001", "999999.999999999999", LARGE, "98765432.1"]
ZONE = "Asia/Kathmandu"


def _call(number: int, draw: st.DrawFn) -> Charge:
    cost = draw(st.sampled_from([None, *AMOUNTS]))
    listed = draw(st.sampled_from(["as charged", None, *AMOUNTS]))
    stated = {}
    if listed != "as charged":
        stated["list_cost_usd"] = None if listed is None else Decimal(str(listed))
    event = a_usage(
        event_id=an_id("call", number),
        user_id=draw(st.sampled_from(["ada", "bob"])),
        model=draw(st.sampled_from(["large", "small"])),
        occurred_at=NOON + timedelta(hours=draw(st.integers(-40, 40))),
    )
    return a_charge(0, number, 0, cost, event, **stated)


@st.composite
def some_charges(draw: st.DrawFn) -> Sequence[Charge]:
    """Draw calls of every kind, a correction and a re-pricing among them."""
    charges = [_call(number, draw) for number in range(draw(st.integers(0, 6)))]
    if draw(st.booleans()):
        old, new = Usage(text_output_tokens=200), Usage(text_output_tokens=100)
        cost = draw(st.sampled_from(["-0.5", "-1000000", "0"]))
        charges.append(an_adjustment(old, new, str(cost), offset=90))
    if draw(st.booleans()):
        charges.append(a_repriced_charge(a_repricing(), offset=91))
    return charges


@lru_cache
def _migrated() -> duckdb.DuckDBPyConnection:
    ledger = duckdb.connect()
    migrate(ledger, Path("ledger.duckdb"))
    return ledger


def a_ledger(charges: Sequence[Charge]) -> duckdb.DuckDBPyConnection:
    """Return a ledger in memory with these charges, and no other."""
    ledger = _migrated()
    ledger.execute("TRUNCATE charges")
    records = [charges_record([charge]) for charge in charges]
    insert_charges(ledger, decode_charges(records).table)
    return ledger


IN_FULL = """
    SELECT {keys} sum(cost_usd), count(*) FILTER (kind = 'charge'),
        count(*) FILTER (kind = 'charge' AND cost_usd IS NULL)
            - count(old_unpriced_reason),
        coalesce(sum(text_input_tokens), 0)::BIGINT,
        coalesce(sum(text_output_tokens), 0)::BIGINT,
        sum(list_cost_usd), sum(cost_usd - list_cost_usd),
        count(*) FILTER (list_cost_usd IS NULL AND cost_usd IS NOT NULL)
    FROM charges {grouped}
"""
DAY = f"date_trunc('day', timezone('{ZONE}', occurred_at))::DATE"


@settings(max_examples=50)
@given(some_charges())
def test_reports_say_what_every_row_says(charges: Sequence[Charge]) -> None:
    """Whatever has no price, a large one, another list price, or adjusts a call."""
    ledger = a_ledger(charges)
    wrong = f"SELECT count(*) FROM charges WHERE {MISSTATED}"
    assert ledger.execute(wrong).fetchall() == [(0,)]
    for by, keys in (
        ((), ""),
        (("user",), "user_id,"),
        (("model", "day"), f"model, {DAY},"),
        (("user", "day"), f"user_id, {DAY},"),
    ):
        grouped = "GROUP BY ALL" if by else ""
        full = IN_FULL.format(keys=keys, grouped=grouped)
        quick = spend_query(by, time_zone=ZONE)
        assert _rows(ledger, quick) == _rows(ledger, full)


def _rows(ledger: duckdb.DuckDBPyConnection, query: str) -> list[tuple[object, ...]]:
    return sorted(ledger.execute(query).fetchall(), key=repr)
