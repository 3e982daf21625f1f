"""Questions to a real ledger file, and their exact answers."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from taximeter_schemas.errors import LedgerUnavailable, QueryFailed, QueryRefused
from taximeter_schemas.topics import Topics
from taximeter_schemas.usage import Usage
from taximeter_sinks.charged_calls import CallFilter
from taximeter_sinks.duckdb_sink import DuckDBSink
from taximeter_sinks.migrate import known_version
from taximeter_sinks.queries import Duplicates, Ledger, PartitionCharges
from tests.builders import NOON, a_repricing, a_usage, an_id
from tests.unit.sinks.charge_builders import (
    a_charge,
    a_repriced_charge,
    an_adjustment,
    charges_record,
)
from tests.unit.sinks.old_ledgers import as_of

LATE = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)  # a day later in Berlin
PICO = Decimal("0.000000000001")


@pytest.fixture
async def ledger(tmp_path: Path) -> Ledger:
    """Write four charges and an adjustment, and open them for reading."""
    path = tmp_path / "ledger.duckdb"
    sink = DuckDBSink(path, Topics())
    usage = Usage(
        text_input_tokens=100,
        cache_read_tokens=10,
        text_output_tokens=5,
        reasoning_output_tokens=2,
    )
    ada = a_usage(user_id="ada", usage=usage, occurred_at=LATE)
    bob = a_usage(user_id="bob", usage=usage, model="nobody-knows")
    sink.add(
        [
            charges_record([a_charge(0, 0, 0, "0.000000000001", ada)], 0),
            charges_record([a_charge(0, 1, 0, "1.1")], 1),
            charges_record([a_charge(1, 0, 0, None, bob), a_charge(1, 0, 1, "2.2")], 0),
            charges_record(
                [
                    an_adjustment(
                        Usage(text_output_tokens=1),
                        Usage(text_output_tokens=4),
                        "-0.1",
                        offset=5,
                        partition=1,
                    )
                ],
                1,
            ),
        ]
    )
    await sink.flush()
    sink.close()
    return Ledger.open(path)


def test_an_older_ledger_is_read_as_it_is(ledger: Ledger, tmp_path: Path) -> None:
    """Before a newer sink has opened it, a ledger has no columns of newer classes."""
    before = ledger.totals(), ledger.unpriced()
    with duckdb.connect(tmp_path / "ledger.duckdb") as file:
        for name in (
            "cache_read_explicit_tokens",
            "cache_write_12h_tokens",
            "citation_tokens",
        ):
            file.execute(f"ALTER TABLE charges DROP COLUMN {name}")
        file.execute("DELETE FROM schema_versions WHERE version > 3")

    older = Ledger.open(tmp_path / "ledger.duckdb")

    assert (older.totals(), older.unpriced()) == before


def test_spend_by_user_adds_up(ledger: Ledger) -> None:
    """Dearest first; what has no price has no cost and is counted as that."""
    rows = [tuple(row) for row in ledger.spend(["user"])]
    assert rows == [
        (("alice",), Decimal("3.3"), 2, 0, 2000, 400, Decimal("3.3"), 0, 0),
        (("ada",), PICO, 1, 0, 110, 7, PICO, 0, 0),
        (("unattributed",), Decimal("-0.1"), 0, 0, 0, 3, Decimal("-0.1"), 0, 0),
        (("bob",), None, 1, 1, 110, 7, None, None, 0),
    ]
    total = ledger.totals()
    assert total.cost_usd == Decimal("3.200000000001")
    assert (total.calls, total.unpriced_calls) == (4, 1)


async def test_what_the_list_says_is_summed_beside(tmp_path: Path) -> None:
    """Mark-ups add up over what the list prices; what it does not is counted."""
    costs = [("0.012", "0.010"), ("0.008", "0.010"), ("0.5", None), (None, "0.010")]
    charges = [
        a_charge(
            offset=number,
            cost_usd=cost,
            recorded=a_usage(user_id="ada", event_id=an_id(number)),
            list_cost_usd=None if listed is None else Decimal(listed),
        )
        for number, (cost, listed) in enumerate(costs)
    ]
    path = tmp_path / "ledger.duckdb"
    sink = DuckDBSink(path, Topics())
    sink.add([charges_record([charge], n) for n, charge in enumerate(charges)])
    await sink.flush()
    sink.close()
    with Ledger.open(path) as ledger:
        (row,) = ledger.spend(["user"])
        (part,) = ledger.charged_by_partition().values()
    assert (row.cost_usd, row.list_cost_usd) == (Decimal("0.52"), Decimal("0.03"))
    assert row.markup_usd == 0
    assert (row.unlisted_calls, row.unpriced_calls) == (1, 1)
    assert part.list_cost_usd == Decimal("0.03")


def test_days_are_those_of_the_time_zone(ledger: Ledger) -> None:
    """Half past eleven at night in UTC is the next day in Berlin."""
    utc = [row.keys for row in ledger.spend(["day", "user"])]
    berlin = [row.keys for row in ledger.spend(["day", "user"], tz="Europe/Berlin")]
    assert (date(2026, 11, 22), "ada") in utc
    assert (date(2026, 11, 23), "ada") in berlin
    hours = [row.keys for row in ledger.spend(["hour"], tz="Europe/Berlin")]
    assert hours == [("2026-11-22 13:00",), ("2026-11-23 00:00",)]


def test_a_stretch_of_time_is_half_open(ledger: Ledger) -> None:
    """Its start counts and its end does not."""
    assert ledger.totals(start=LATE).calls == 1
    assert ledger.totals(end=LATE).calls == 3
    assert ledger.totals(LATE, LATE + timedelta(microseconds=1)).calls == 1


def test_nothing_spent_is_not_zero(ledger: Ledger) -> None:
    """A stretch without calls has no cost, no calls and no tokens."""
    nothing = ledger.totals(start=LATE + timedelta(days=1))
    assert nothing == ((), None, 0, 0, 0, 0, None, None, 0)


@pytest.mark.parametrize(
    "by",
    ["model", "project", "provider", "session", "endpoint", "source", "status"],
)
def test_every_dimension_can_be_asked_for(ledger: Ledger, by: str) -> None:
    """The rows of any dimension add up to the total."""
    costs = [row.cost_usd for row in ledger.spend([by], limit=10)]
    total = sum((cost for cost in costs if cost is not None), Decimal(0))
    assert total == ledger.totals().cost_usd


def charged(usd: str, rows: int, unpriced: int, last: int) -> PartitionCharges:
    """Return charges of one partition at the list's prices."""
    return PartitionCharges(Decimal(usd), rows, unpriced, last, Decimal(usd), 0)


def test_the_audit_gets_exact_sums_by_partition(ledger: Ledger) -> None:
    """As far as asked for, and no further."""
    assert ledger.charged_by_partition() == {
        0: charged("1.100000000001", 2, 0, 1),
        1: charged("2.1", 3, 1, 5),
    }
    assert ledger.charged_by_partition({0: 0, 1: 4}) == {
        0: charged("0.000000000001", 1, 0, 0),
        1: charged("2.2", 2, 1, 0),
    }
    assert ledger.charged_by_partition({}) == {}
    assert ledger.duplicates() == Duplicates(0, 0)
    assert ledger.source_offsets() == {0: 1, 1: 5}


def test_events_that_were_charged_are_known(ledger: Ledger) -> None:
    """Of however many ids, exactly those with a charge; none of none."""
    charged = [an_id(0, 1, 0), an_id(1, 0, 1)]
    others = [an_id("nobody", number) for number in range(2_500)]
    assert ledger.charged([*others, *charged]) == set(charged)
    assert ledger.charged([]) == set()
    assert ledger.schema_version() == known_version()


def test_sql_works_while_no_sink_runs(ledger: Ledger) -> None:
    """The file itself answers, with names for the columns."""
    answer = ledger.sql("SELECT kind, count(*) AS n FROM charges GROUP BY 1 ORDER BY 1")
    assert answer.columns == ["kind", "n"]
    assert answer.rows == [("adjustment", 1), ("charge", 4)]
    assert ledger.counts()["charges"] == 5
    for listing in (ledger.alerts, ledger.dead_letters):
        assert listing().rows == []
    assert ledger.budgets().rows == ledger.budget_status().rows == []


def test_a_cell_that_is_not_the_sum_of_its_charges_is_found(
    ledger: Ledger, tmp_path: Path
) -> None:
    """One that says another sum, one that is missing, and one too many."""
    assert set(ledger.misrolled().values()) == {0}
    with duckdb.connect(str(tmp_path / "ledger.duckdb")) as file:
        file.execute("UPDATE spend_by_quarter SET calls = 7")
        file.execute("DELETE FROM spend_by_user WHERE user_id = 'ada'")
        file.execute("UPDATE spend_by_project SET project_id = 'other'")
    found = ledger.misrolled()
    assert found["spend_by_quarter"] == 2
    assert found["spend_by_model"] == 0
    assert found["spend_by_project"] > 1
    assert found["spend_by_user"] == 1


def test_a_write_or_a_slip_is_one_clear_error(ledger: Ledger) -> None:
    """Writing is refused, files are out of reach, a wrong name is named."""
    with pytest.raises(QueryRefused, match="read-only"):
        ledger.sql("DELETE FROM charges")
    with pytest.raises(QueryFailed, match="nowhere"):
        ledger.sql("SELECT * FROM nowhere")
    with pytest.raises(QueryFailed):
        ledger.sql("SELECT * FROM '/etc/hostname.csv'")


def test_what_has_no_price_is_told_by_model_and_reason(ledger: Ledger) -> None:
    """Calls, tokens and the time in which they were made stand beside each."""
    found = ledger.unpriced()
    assert found.columns == [
        *("provider", "model", "service_tier", "reason", "calls"),
        *("input_tokens", "output_tokens", "first_seen", "last_seen"),
    ]
    assert [row[:7] for row in found.rows] == [
        ("anthropic", "nobody-knows", "standard", "unknown_model", 1, 110, 7)
    ]
    assert found.rows[0][7] == found.rows[0][8] == NOON


async def test_what_providers_state_stands_beside_our_cost(tmp_path: Path) -> None:
    """Only calls that state it count, each with our cost of the very same calls."""
    sink = DuckDBSink(tmp_path / "ledger.duckdb", Topics())
    usage = Usage(text_output_tokens=1)
    stated = {
        name: a_usage(event_id=an_id(name), provider_cost_usd=cost, **facts)
        for name, cost, facts in (
            ("one", "0.8", {"provider": "openrouter", "model": "m"}),
            ("two", "0.4", {"provider": "openrouter", "model": "m"}),
            ("unknown", "5", {"provider": "openrouter", "model": "nobody-knows"}),
            ("ticks", "1", {"provider": "xai", "model": "grok"}),
        )
    }
    correction = an_adjustment(
        usage, usage, "-0.1", offset=5, corrects=an_id("two"), provider="openrouter"
    )
    sink.add(
        [
            charges_record(
                [
                    a_charge(0, 0, 0, "1.0", stated["one"]),
                    a_charge(0, 0, 1, "0.5", stated["two"]),
                    a_charge(0, 0, 2, None, stated["unknown"]),
                    a_charge(0, 0, 3, "1", stated["ticks"]),
                    a_charge(0, 0, 4, "99", a_usage(provider="openrouter", model="m")),
                ],
                0,
            ),
            charges_record([correction], 1),
        ]
    )
    await sink.flush()
    sink.close()
    ledger = Ledger.open(tmp_path / "ledger.duckdb")

    found = ledger.provider_costs(("provider",))

    assert found == [
        (("openrouter",), 2, Decimal("1.4"), Decimal("1.2"), 1, Decimal(5)),
        (("xai",), 1, Decimal(1), Decimal(1), 0, None),
    ]
    (total,) = ledger.provider_costs((), start=NOON + timedelta(days=1))
    assert total == ((), 0, None, None, 0, None)
    assert len(ledger.provider_costs(("provider", "model"), limit=2)) == 2


async def test_a_repricing_gives_calls_a_price(tmp_path: Path) -> None:
    """Its call waits for a price no more; one that comes without a price later does."""
    path = tmp_path / "ledger.duckdb"
    sink = DuckDBSink(path, Topics())
    repriced = a_repricing(reprices=an_id(0, 0, 0), provider="anthropic")
    sink.add(
        [
            charges_record([a_charge(0, 0, 0, None), a_charge(0, 0, 1, None)], 0),
            charges_record([a_repriced_charge(repriced)], 1),
        ]
    )
    await sink.flush()
    sink.close()
    ledger = Ledger.open(path)
    total = ledger.totals()
    assert (total.cost_usd, total.calls) == (Decimal("0.003"), 2)
    assert total.unpriced_calls == 1
    assert [row[4] for row in ledger.unpriced().rows] == [1]
    assert ledger.charged_by_partition()[0].unpriced == 1
    extent = ledger.calls_to_reprice(CallFilter())
    assert extent is not None
    (found,) = ledger.costs_so_far(CallFilter(), extent)
    names = ("input_cost_usd", "adjustments", "repricings")
    rows = zip(*(found[name] for name in names), strict=True)
    assert sorted(rows) == [(0, 0, 0), (10**9, 1, 1)]


def test_a_ledger_from_before_repricings_is_read(tmp_path: Path) -> None:
    """Reports and what has no price are as they were; to re-price, start it once."""
    path = tmp_path / "ledger.duckdb"
    with duckdb.connect(str(path)) as old:
        as_of(3, old)
    ledger = Ledger.open(path)
    assert ledger.totals().calls == 0
    assert ledger.unpriced().rows == []
    assert ledger.charged_by_partition() == {}
    with pytest.raises(LedgerUnavailable, match="taximeter up"):
        ledger.calls_to_reprice(CallFilter())
