"""What the demo shows: aligned and plain in a pipe, in one line where it is narrow."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from rich.console import Console

from taximeter.demo.books import Standing
from taximeter.demo.limits import demo_budgets
from taximeter.demo.screen import PlainScreen, RichScreen, alert_line, screen_for
from taximeter_schemas.alerts import BudgetThresholdCrossed
from tests.builders import NOON, an_id


def an_alert(**overrides: object) -> BudgetThresholdCrossed:
    """Return an alert on a user's day, with the fields given."""
    fields: dict[str, object] = {
        "alert_id": an_id(),
        "raised_at": NOON,
        "budget_id": "each-user-daily",
        "subject_kind": "user",
        "subject_id": "ada.b",
        "period": "day",
        "period_start": datetime(2026, 11, 20, tzinfo=UTC),
        "period_end": datetime(2026, 11, 21, tzinfo=UTC),
        "threshold_percent": 80,
        "limit_usd": Decimal("0.5"),
        "spent_usd": Decimal("0.41"),
    }
    return BudgetThresholdCrossed.model_validate(fields | overrides)


EVERYTHING = {
    "subject_kind": "all",
    "subject_id": "",
    "period": "total",
    "period_start": None,
    "period_end": None,
}
A_WEEK = {"period": "week", "period_end": datetime(2026, 11, 27, tzinfo=UTC)}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "alert   80%  user ada.b               2026-11-20"),
        ({"period": "month"}, "November 2026"),
        (A_WEEK, "2026-11-20 to 11-26"),
        (EVERYTHING, "alert   80%  everything               in total"),
    ],
)
def test_an_alert_is_one_line(fields: dict[str, object], words: str) -> None:
    """It says how full, whose, when, and how much of what."""
    line = alert_line(an_alert(**fields))
    assert words in line
    assert line.endswith("0.4100 of  0.5000 USD")


@pytest.mark.parametrize("width", [58, 84, 120])
def test_an_alert_stays_one_line(width: int) -> None:
    """However narrow the terminal, an alert takes one line and keeps its amounts."""
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=True, no_color=True)
    RichScreen(console).alert(an_alert(subject_id="maximiliana.b"))
    assert out.getvalue().count("\n") == 1
    assert "0.4100 of  0.5000" in out.getvalue()


def test_a_pipe_gets_plain_lines() -> None:
    """Without a terminal nothing is redrawn, and the last state is told once."""
    out = io.StringIO()
    console = Console(file=out)
    screen = screen_for(console)
    assert isinstance(screen, PlainScreen)
    with screen:
        screen.start(10)
        for charges in (1, 2, 10, 10):
            screen.advance(Standing(charges, Decimal("0.5"), 3), 1234.5)
        screen.alert(an_alert())
        screen.finish()
    lines = out.getvalue().splitlines()
    assert lines[0] == ("1 of 10 calls charged  1,234 events/s  0.5000 USD  3 alerts")
    assert [line.split()[0] for line in lines] == ["1", "10", "alert"]
    assert "\x1b" not in out.getvalue()


def test_a_terminal_gets_a_bar() -> None:
    """In a terminal a bar shows the share, the speed, the spend and the alerts."""
    out = io.StringIO()
    console = Console(
        file=out, width=100, force_terminal=True, _environ={"TERM": "xterm"}
    )
    screen = screen_for(console)
    with screen:
        screen.say("starting")
        screen.start(10)
        screen.advance(Standing(5, Decimal("0.5"), 3), 1234.5)
        screen.finish()
    shown = out.getvalue()
    for words in ("starting", "50%", "1,234 events/s", "$0.5000", "3 alerts"):
        assert words in shown


def test_limits_grow_with_the_replay() -> None:
    """A replay of twice the calls has larger limits, all of the same week's start."""
    small, large = demo_budgets(1_000, NOON), demo_budgets(2_000, NOON)
    for one, two in zip(small, large, strict=True):
        assert one.budget_id == two.budget_id
        assert (one.limit or 0) < (two.limit or 0)
        assert one.defined_at == two.defined_at == NOON
