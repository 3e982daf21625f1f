"""The columns of the page's chart: they tile the stretch and add up."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from taximeter.page.course import OTHERS, course_of, grain_of
from taximeter.reports.figures import Row
from taximeter.spend_report import Stretch

_NOW = datetime(2026, 11, 22, 12, 20, tzinfo=UTC)


def _sum(cost: str | None, calls: int = 1) -> Row:
    unpriced = 0 if cost else calls
    usd = None if cost is None else Decimal(cost)
    return {"cost_usd": usd, "calls": calls, "unpriced_calls": unpriced}


@pytest.mark.parametrize(
    ("days", "grain"), [(1, "hour"), (7, "day"), (90, "day"), (365, "week")]
)
def test_there_are_some_tens_of_columns(days: int, grain: str) -> None:
    """However long the stretch is; without a start there are months."""
    start = _NOW - timedelta(days=days)
    assert grain_of(Stretch(start), _NOW) == grain
    assert grain_of(Stretch(), _NOW) == "month"


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kolkata"])
@pytest.mark.parametrize("grain", ["hour", "day", "week", "month"])
def test_columns_tile_the_stretch(zone: str, grain: str) -> None:
    """Each begins where the one before it ends, and the last one holds the present."""
    start = datetime(2026, 10, 20, 22, tzinfo=UTC)
    course = course_of(Stretch(start, None, zone), _NOW, grain, [], [])  # type: ignore[arg-type]
    ends = [bucket.end for bucket in course.buckets]
    starts = [bucket.start for bucket in course.buckets]
    if (zone, grain) != ("Europe/Berlin", "hour"):  # an hour of that October came twice
        assert starts[1:] == ends[:-1]
    assert starts[0] <= start
    assert starts[-1] <= _NOW < ends[-1]


def test_a_column_adds_up_to_the_last_digit() -> None:
    """What has no colour of its own is the rest of the exact sum."""
    day = date(2026, 11, 21)
    course = course_of(
        Stretch(datetime(2026, 11, 20, tzinfo=UTC)),
        _NOW,
        "day",
        [{"day": day, **_sum("10.000000000001", 9)}],
        [(day, "gpt-4o", Decimal(7)), (day, "haiku", Decimal("2.5"))],
    )
    assert course.series == ("gpt-4o", "haiku", OTHERS)
    _, full, _ = course.buckets
    assert full.parts == (Decimal(7), Decimal("2.5"), Decimal("0.500000000001"))
    assert sum(full.parts) == full.cost_usd
    assert [bucket.calls for bucket in course.buckets] == [0, 9, 0]


def test_a_column_without_a_price_is_not_free() -> None:
    """It says that its calls have no price; one without calls did cost nothing."""
    day = date(2026, 11, 22)
    rows = [{"day": day, **_sum(None, 3)}]
    stretch = Stretch(datetime(2026, 11, 21, tzinfo=UTC))
    empty, unpriced = course_of(stretch, _NOW, "day", rows, []).buckets
    assert (unpriced.cost_usd, unpriced.unpriced_calls) == (None, 3)
    assert (empty.cost_usd, empty.calls) == (Decimal(0), 0)
