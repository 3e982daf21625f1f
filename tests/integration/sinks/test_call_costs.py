"""Reports of what calls cost one by one, on a real ledger."""

from __future__ import annotations

from decimal import Decimal

import pytest

from taximeter.reports.figures import figure_rows
from taximeter.spend_report import Stretch, spend_rows, total_row
from taximeter_schemas.errors import ConfigurationError
from taximeter_sinks.call_costs import calls_query
from taximeter_sinks.dimensions import DIMENSIONS
from taximeter_sinks.queries import Ledger
from tests.integration.sinks.reported import write_ledger

ALL = Stretch()
PICO = Decimal("0.000000000001")


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    """Open the ledger of `reported`."""
    return Ledger.open(write_ledger(tmp_path_factory.mktemp("data") / "ledger.duckdb"))


def test_quantiles_are_of_calls_with_all_that_was_added(ledger: Ledger) -> None:
    """A corrected call costs what is left, a re-priced one what it got."""
    (total,) = figure_rows(ledger, (), ALL)
    # 1, 2 (of 2.5), 3, 0.003 (of nothing) and a pico-dollar have a price.
    assert (total["median_usd"], total["p95_usd"]) == (Decimal(1), Decimal(3))
    assert total["cost_usd"] == Decimal("6.003") + PICO
    assert (total["calls"], total["unpriced_calls"]) == (6, 1)
    assert total["average_usd"] == Decimal("1.2006")  # of the five, half-even
    assert total["success_percent"] == Decimal("83.33")
    (growth,) = figure_rows(ledger, (), ALL, only={"tag:team": ["growth"]})
    assert growth["p95_usd"] == Decimal(2)
    (new,) = figure_rows(ledger, (), ALL, only={"model": ["new"]})
    assert (new["median_usd"], new["unpriced_calls"]) == (Decimal("0.003"), 0)


def test_a_thousand_tokens_cost_what_priced_calls_say(ledger: Ledger) -> None:
    """Tokens of calls without a price are in no such figure; corrected ones are."""
    (total,) = figure_rows(ledger, (), ALL)
    assert total["input_tokens"] == 6000
    tokens = 5 * 1200 - 100
    expected = (Decimal("6.003000000001") * 1000 / tokens).quantize(PICO)
    assert total["usd_per_1k_tokens"] == expected
    (nobody,) = figure_rows(ledger, (), ALL, only={"model": ["nobody-knows"]})
    said = ("cost_usd", "average_usd", "median_usd", "p95_usd", "usd_per_1k_tokens")
    assert [nobody[name] for name in said] == [None] * 5


@pytest.mark.parametrize("by", [*DIMENSIONS, "tag:team", "tag:it's"])
def test_every_dimension_adds_up(ledger: Ledger, by: str) -> None:
    """Rows of any dimension, or of it and another, add up to the total."""
    total = total_row(ledger, ALL)
    for dimensions in ((by,), (by, "tag:env")):
        for rows in (
            spend_rows(ledger, dimensions, ALL),
            figure_rows(ledger, dimensions, ALL),
        ):
            known = [row["cost_usd"] for row in rows if row["cost_usd"] is not None]
            assert sum(known) == total["cost_usd"]  # type: ignore[arg-type]
            assert sum(int(str(row["calls"])) for row in rows) == 6


def test_weekdays_begin_on_monday(ledger: Ledger) -> None:
    """They stand in the order of the week, in the zone asked for."""
    zone = Stretch(zone="Pacific/Auckland")
    assert [row["weekday"] for row in spend_rows(ledger, ("weekday",), ALL)] == [
        "Friday",
        "Sunday",
    ]
    assert [row["weekday"] for row in spend_rows(ledger, ("weekday",), zone)] == [
        "Monday",
        "Saturday",
    ]


def test_only_the_calls_that_are_wanted(ledger: Ledger) -> None:
    """Of one dimension any value, of several dimensions all; tags like any other."""

    def cost(**only: list[str]) -> object:
        return total_row(
            ledger, ALL, {n.replace("_", ":"): v for n, v in only.items()}
        )["cost_usd"]

    assert cost(user=["bob"]) == Decimal(3)
    assert cost(user=["ada", "bob"], project=["ads"]) == PICO
    assert cost(tag_team=["growth"]) == Decimal(3)
    assert cost(tag_team=["growth"], user=["bob"]) == 0
    with pytest.raises(ConfigurationError, match="give --from"):
        cost(day=["2026-11-22"])


def test_the_dearest_calls_come_first(ledger: Ledger) -> None:
    """At what they cost in all, with their corrected tokens; unpriced ones do not."""
    rows = ledger.sql(calls_query(limit=3)).rows
    assert [row[0] for row in rows] == [Decimal(3), Decimal(2), Decimal(1)]
    names = ledger.sql(calls_query()).columns
    assert rows[1][names.index("output_tokens")] == 100
    assert len(ledger.sql(calls_query()).rows) == 5
