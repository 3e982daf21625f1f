"""How budgets look in a terminal."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from rich.console import Console

from taximeter.cli.budget_bars import print_bars

ROW: dict[str, Any] = {
    "budget_id": "monthly",
    "subject_kind": "user",
    "subject_id": "alice",
    "period": "month",
    "period_start": datetime(2026, 11, 1, tzinfo=UTC),
    "limit_usd": Decimal(1000),
    "spent_usd": Decimal(640),
    "state": "within",
    "unpriced_calls": 2,
    "unit": "usd",
    "remaining": Decimal(360),
    "reserved": Decimal(0),
    "projected": Decimal("1200.000001"),
    "projected_low": Decimal(1100),
    "projected_high": Decimal(1300),
    "days_left": Decimal("14.00"),
    "crosses_at": datetime(2026, 11, 25, 13, tzinfo=UTC),
}
AHEAD = ("projected", "projected_low", "projected_high", "days_left", "crosses_at")


def _shown(**overrides: object) -> str:
    out = io.StringIO()
    print_bars([ROW | overrides], Console(file=out, width=260))
    return " ".join(out.getvalue().split())


def test_a_bar_says_where_a_budget_is_and_is_going() -> None:
    """How full, how much of how much, what the end will be, when the limit is met."""
    shown = _shown()

    assert "64.0 %" in shown
    assert "640.00 USD" in shown
    assert "360.00 USD" in shown
    assert "1,200.00 USD (1,100.00 to 1,300.00) in 14.0 d" in shown
    assert "2026-11-25 13:00Z" in shown


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"unit": "tokens", "tokens": 50, "limit_tokens": 200}, "25.0 %"),
        ({"unit": "calls", "calls": 5, "limit_calls": 10}, "5 calls"),
        ({"limit_usd": None}, "640.00 USD"),
        (dict.fromkeys(AHEAD), "64.0 %"),
        ({"reserved": Decimal("0.5")}, "360.00 USD (0.50 USD reserved)"),
        (
            {"subject_kind": "user&model", "subject_id": '["ada","gpt-4o"]'},
            "user ada, model gpt-4o",
        ),
        ({"subject_kind": "all", "subject_id": ""}, "everybody"),
    ],
)
def test_every_budget_can_be_shown(overrides: dict[str, object], words: str) -> None:
    """Limits in other units, none at all, and periods that are over."""
    assert words in _shown(**overrides)
