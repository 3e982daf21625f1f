"""What a report adds up by itself."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from taximeter.reports.figures import added, with_shares
from taximeter.reports.overview import period_rows, rhythm_rows
from taximeter.spend_report import LIST_SUMS, SUMS

Row = dict[str, object]


def a_cell(day: str, model: str, usd: str | None, calls: int = 1) -> Row:
    """Return spend of a model on a day; without an amount it is unpriced."""
    row: Row = dict.fromkeys((*SUMS, *LIST_SUMS), 0)
    cost = None if usd is None else Decimal(usd)
    unpriced = calls if cost is None else 0
    said: Row = {"cost_usd": cost, "calls": calls, "unpriced_calls": unpriced}
    return row | {"day": date.fromisoformat(day), "model": model} | said


def test_a_period_says_its_sums() -> None:
    """What its models cost, and on average the calls that have a price."""
    by_model = [a_cell("2026-11-01", "a", "4"), a_cell("2026-11-16", "b", None)]
    none, month = period_rows([("today", None, []), ("this month", None, by_model)])
    assert (none["cost_usd"], none["calls"], none["average_usd"]) == (0, 0, None)
    assert (month["cost_usd"], month["calls"]) == (Decimal(4), 2)
    assert month["average_usd"] == Decimal(4)


def test_top_models_are_those_of_the_period() -> None:
    """One without a price is there, without a share."""
    by_model = [a_cell("2026-11-16", "b", "2"), a_cell("2026-11-22", "a", None)]
    (week,) = period_rows([("this week", None, by_model)])
    assert week["top_models"] == [
        {"model": "b", "cost_usd": Decimal(2), "share_percent": Decimal("100.00")},
        {"model": "a", "cost_usd": None, "share_percent": None},
    ]


def test_an_average_day_counts_the_days_without_calls() -> None:
    """From the first day with a call to the last; weekdays apart from weekends."""
    days = [a_cell("2026-11-20", "a", "3"), a_cell("2026-11-24", "a", "3")]
    work, weekend = rhythm_rows(days)
    assert (work["number"], work["usd_per_day"]) == (3, Decimal(2))
    assert (weekend["number"], weekend["cost_usd"], weekend["calls"]) == (2, 0, 0)
    assert rhythm_rows([]) == []


def test_unpriced_is_not_free() -> None:
    """Sums over nothing priced are unknown, sums over no calls at all are nothing."""
    assert added([a_cell("2026-11-22", "a", None)])["cost_usd"] is None
    assert added([])["cost_usd"] == 0
    (row,) = with_shares([{"cost_usd": None}], {"cost_usd": Decimal(1)})
    assert row["share_percent"] is None
