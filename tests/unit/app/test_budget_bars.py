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


def _lines(width: int, overrides: dict[str, object] | None = None) -> list[str]:
    out = io.StringIO()
    print_bars([ROW | (overrides or {})], Console(file=out, width=width))
    return [line.rstrip() for line in out.getvalue().splitlines()]


def _shown(**overrides: object) -> str:
    return " ".join(" ".join(_lines(80, overrides)).split())


def test_a_bar_says_where_a_budget_is_and_is_going() -> None:
    """How full, how much of how much, what the end will be, when the limit is met."""
    assert _lines(width=120) == [
        "monthly  user alice, month from 2026-11-01 00:00Z",
        "  ████████████░░░░░░░░   64.0 %  640.00 of 1,000.00 USD, 360.00 left",
        "  limit reached 2026-11-25 13:00Z; at the end, in 14.0 days, 1,200.00 USD "
        "(1,100.00 to 1,300.00); 2 without a price",
    ]


def test_nothing_is_cut_off_in_a_narrow_terminal() -> None:
    """What does not fit into a line goes on in the next one, as far in."""
    lines = _lines(width=60)

    assert " ".join(" ".join(lines).split()) == _shown()
    assert max(map(len, lines)) <= 60
    assert [line[:2] for line in lines[1:]] == ["  "] * (len(lines) - 1)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"unit": "tokens", "tokens": 50, "limit_tokens": 200}, "50 of 200 tokens"),
        ({"unit": "calls", "calls": 5, "limit_calls": 10}, "5 of 10 calls"),
        ({"limit_usd": None, "remaining": None}, "640.00 USD, no limit"),
        ({"remaining": Decimal(-5)}, "1,000.00 USD, 5.00 too much"),
        (dict.fromkeys(AHEAD), "64.0 %"),
        ({"reserved": Decimal("0.5")}, "360.00 left (0.50 reserved)"),
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
