"""What a report adds up by itself."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from taximeter.reports.figures import added, with_shares
from taximeter.reports.overview import period_rows, rhythm_rows
from taximeter.spend_report import LIST_SUMS, SUMS
from tests.builders import NOON

Row = dict[str, object]


def a_cell(day: str, model: str, usd: str | None, calls: int = 1) -> Row:
    """Return spend of a model on a day; without an amount it is unpriced."""
    row: Row = dict.fromkeys((*SUMS, *LIST_SUMS), 0)
    cost = None if usd is None else Decimal(usd)
    unpriced = calls if cost is None else 0
    said: Row = {"cost_usd": cost, "calls": calls, "unpriced_calls": unpriced}
    return row | {"day": date.fromisoformat(day), "model": model} | said


CELLS = [
    a_cell("2026-10-31", "a", "8"),
    a_cell("2026-11-01", "a", "4"),
    a_cell("2026-11-16", "b", "2"),
    a_cell("2026-11-22", "a", None),
]


def test_periods_hold_one_another() -> None:
    """Today is in the week, the week in the month; the first days are theirs."""
    rows = period_rows(CELLS, NOON, "UTC")
    assert [(row["period"], row["cost_usd"], row["calls"]) for row in rows] == [
        ("today", None, 1),
        ("this week", Decimal(2), 2),
        ("this month", Decimal(6), 3),
        ("all time", Decimal(14), 4),
    ]
    assert rows[2]["average_usd"] == Decimal(3)


def test_top_models_are_those_of_the_period() -> None:
    """The dearest first; one without a price is there, without a share."""
    week, month = period_rows(CELLS, NOON, "UTC")[1:3]
    assert week["top_models"] == [
        {"model": "b", "cost_usd": Decimal(2), "share_percent": Decimal("100.00")},
        {"model": "a", "cost_usd": None, "share_percent": None},
    ]
    assert [m["model"] for m in _rows(month["top_models"])] == ["a", "b"]


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


def _rows(value: object) -> list[Row]:
    assert isinstance(value, list)
    return value
