"""Quick sums and roll-ups: reports say what adding up every row in full would say."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from uuid import UUID

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from taximeter_schemas.charges import Charge
from taximeter_schemas.subjects import Subject, SubjectKind
from taximeter_schemas.usage import Usage
from taximeter_sinks.call_costs import (
    CALL_FIGURES,
    NARROW_LIMIT,
    call_costs_query,
)
from taximeter_sinks.decode import decode_charges
from taximeter_sinks.dimensions import within
from taximeter_sinks.hourly import hourly_query
from taximeter_sinks.ledger_rows import insert_charges
from taximeter_sinks.migrate import migrate
from taximeter_sinks.quick_sums import MISSTATED
from taximeter_sinks.roll_ups import ROLL_UPS, ROLLED_SINCE, differing
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
MINUTES = st.integers(-2_400, 2_400) | st.integers(-50_000, 50_000)
ZONES = ["UTC", "Europe/Berlin", "Asia/Kathmandu"]
ROLLING_UP = (files("taximeter_sinks.migrations") / "0014_roll_ups.sql").read_text()

Stretch = tuple[datetime | None, datetime | None]


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
        occurred_at=NOON + timedelta(minutes=draw(MINUTES)),
    )
    return a_charge(0, number, 0, cost, event, **stated)


@st.composite
def some_charges(draw: st.DrawFn) -> Sequence[Charge]:
    """Draw calls of every kind, a correction and a re-pricing among them."""
    charges = [_call(number, draw) for number in range(draw(st.integers(0, 6)))]
    if draw(st.booleans()):
        old, new = Usage(text_output_tokens=200), Usage(text_output_tokens=100)
        cost = draw(st.sampled_from(["-0.5", "-1000000", "0"]))
        charges.append(an_adjustment(old, new, cost, offset=90, corrects=_id(draw)))
        if draw(st.booleans()):
            charges[-1] = charges[-1].model_copy(update={"cost_usd": None})
    if draw(st.booleans()):
        event = a_repricing(reprices=_id(draw))
        charges.append(a_repriced_charge(event, offset=91))
    return charges


def _id(draw: st.DrawFn) -> UUID:
    """Draw whose charge is added to: a call's that is there, or not."""
    return an_id("call", draw(st.integers(0, 3)))


@st.composite
def some_stretches(draw: st.DrawFn) -> Stretch:
    """Draw where to begin and end: nowhere, at a full hour, or in the middle of one."""
    moments = st.builds(
        lambda hours, minutes: NOON + timedelta(hours=hours, minutes=minutes),
        st.integers(-800, 800) | st.integers(-50, 50),
        st.sampled_from([0, 0, 15, 7]),
    )
    start, end = (draw(st.none() | moments) for _ in range(2))
    return start, end


@lru_cache
def _migrated() -> duckdb.DuckDBPyConnection:
    ledger = duckdb.connect()
    migrate(ledger, Path("ledger.duckdb"))
    return ledger


def a_ledger(charges: Sequence[Charge]) -> duckdb.DuckDBPyConnection:
    """Return a ledger in memory with these charges, and no other."""
    ledger = _migrated()
    for table in ("charges", *(roll_up.table for roll_up in ROLL_UPS)):
        ledger.execute(f"TRUNCATE {table}")
    records = [charges_record([charge]) for charge in charges]
    for some in (records[::2], records[1::2]):  # the second finds the first's cells
        insert_charges(ledger, decode_charges(some).table)
    return ledger


IN_FULL = """
    SELECT {keys} sum(cost_usd), count(*) FILTER (kind = 'charge'),
        count(*) FILTER (kind = 'charge' AND cost_usd IS NULL)
            - count(old_unpriced_reason),
        coalesce(sum(text_input_tokens), 0)::BIGINT,
        coalesce(sum(text_output_tokens), 0)::BIGINT,
        sum(list_cost_usd), sum(cost_usd - list_cost_usd),
        count(*) FILTER (list_cost_usd IS NULL AND cost_usd IS NOT NULL)
    FROM charges WHERE {where} {grouped}
"""
DAY = "date_trunc('day', timezone('{zone}', occurred_at))::DATE"
BY = {
    (): "",
    ("user",): "user_id,",
    ("provider", "model"): "provider, model,",
    ("day",): f"{DAY},",
    ("model", "day"): f"model, {DAY},",
    ("user", "day"): f"user_id, {DAY},",
    ("project", "hour_of_day"): (
        "project_id, strftime(timezone('{zone}', occurred_at), '%H:00'),"
    ),
}


@settings(max_examples=8, deadline=None)
@given(some_charges(), some_stretches(), st.sampled_from(ZONES), st.booleans())
def test_reports_say_what_every_row_says(
    charges: Sequence[Charge], stretch: Stretch, zone: str, large: bool
) -> None:
    """Whatever has no price, a large one, another list price, or adjusts a call; over
    any stretch, which may begin and end in the middle of any cell, and in any zone.
    """  # noqa: D205 - one sentence
    ledger = a_ledger(charges)
    where = " AND ".join(within(*stretch)) + (" AND model = 'large'" if large else "")
    only = {"model": ["large"]} if large else {}
    for by, keys in BY.items():
        grouped = "GROUP BY ALL" if by else ""
        named = keys.format(zone=zone)
        full = IN_FULL.format(keys=named, grouped=grouped, where=where)
        quick = spend_query(by, *stretch, time_zone=zone, only=only)
        assert _rows(ledger, quick) == _rows(ledger, full)


@settings(max_examples=6, deadline=None)
@given(some_charges())
def test_what_is_kept_beside_the_charges_is_what_they_say(
    charges: Sequence[Charge],
) -> None:
    """No row has other quick sums, and no cell of a roll-up another sum: not as the
    charges came in one by one, and not as a migration adds them up.
    """  # noqa: D205 - one sentence
    ledger = a_ledger(charges)
    assert _wrong(ledger) == [0] * (1 + len(ROLL_UPS))
    for roll_up in ROLL_UPS:
        ledger.execute(f"DROP TABLE {roll_up.table}")
    ledger.execute(ROLLING_UP)
    assert _wrong(ledger) == [0] * (1 + len(ROLL_UPS))


@settings(max_examples=6, deadline=None)
@given(some_charges(), st.integers(-3000, 3000))
def test_hours_of_subjects_are_those_of_every_row(
    charges: Sequence[Charge], minutes: int
) -> None:
    """Of everybody, models and users alike, whatever roll-up has them, or none."""
    ledger = a_ledger(charges)
    start = NOON + timedelta(minutes=minutes)
    kinds: dict[SubjectKind, set[Subject] | None]
    kinds = {"all": None, "model": {Subject("model", "large")}, "user": None}
    rolled, full = (hourly_query(kinds, start, None, n) for n in (ROLLED_SINCE, 13))
    assert _rows(ledger, rolled) == _rows(ledger, full)


CALLS_IN_FULL = """
    SELECT model, coalesce(sum(tokens) FILTER (net_usd IS NOT NULL), 0)::BIGINT,
        count(*) FILTER (kind = 'charge' AND status = 'ok'),
        quantile_disc(net_usd, 0.5) FILTER (kind = 'charge'),
        quantile_disc(net_usd, 0.95) FILTER (kind = 'charge')
    FROM (
        SELECT *, input_tokens + output_tokens AS tokens,
            CASE WHEN added_usd IS NULL THEN cost_usd
                ELSE coalesce(cost_usd, 0) + added_usd END AS net_usd
        FROM charges LEFT JOIN (
            SELECT adjusts AS call_id, sum(cost_usd) AS added_usd
            FROM charges WHERE adjusts IS NOT NULL GROUP BY adjusts
        ) ON call_id = event_id
    ) GROUP BY model
"""


@settings(max_examples=10, deadline=None)
@given(some_charges())
def test_what_a_call_costs_is_its_charge_and_what_was_added(
    charges: Sequence[Charge],
) -> None:
    """In 16 bytes for each, and in 8 where no quantile is as much as these hold."""
    ledger = a_ledger(charges)
    full = _rows(ledger, CALLS_IN_FULL)
    figures = f"SELECT model, {', '.join(CALL_FIGURES)} FROM ({{}})"
    wide = call_costs_query(("model",))
    assert _rows(ledger, figures.format(wide)) == full
    narrow = call_costs_query(("model",), narrow=True)
    for row, must in zip(_rows(ledger, figures.format(narrow)), full, strict=True):
        cut_off = [abs(usd or 0) >= NARROW_LIMIT for usd in row[-2:]]  # type: ignore[arg-type]
        assert row == must or any(cut_off)


def _wrong(ledger: duckdb.DuckDBPyConnection) -> list[int]:
    rows = f"SELECT count(*) FROM charges WHERE {MISSTATED}"
    queries = [rows, *(differing(roll_up) for roll_up in ROLL_UPS)]
    return [ledger.execute(query).fetchall()[0][0] for query in queries]


def _rows(ledger: duckdb.DuckDBPyConnection, query: str) -> list[tuple[object, ...]]:
    return sorted(ledger.execute(query).fetchall(), key=repr)
