"""What a forecast says, by example."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taximeter_processors.forecast import HOUR_SECONDS, Projection, project

START = datetime(2026, 11, 1, tzinfo=UTC)
END = datetime(2026, 12, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 17, tzinfo=UTC)  # a Tuesday
MONTH = (START, END)


def hourly(
    weeks: int, working: int = 100, weekend: int = 0, until: datetime = NOW
) -> dict[int, int]:
    """Return spend of the same amount at every hour of a working day."""
    start = int((until - timedelta(weeks=weeks)).timestamp())
    hours = range(start, int(until.timestamp()), HOUR_SECONDS)
    days = {hour: datetime.fromtimestamp(hour, UTC).weekday() for hour in hours}
    return {h: working if day < 5 else weekend for h, day in days.items()}


def spent(history: dict[int, int], start: datetime = START) -> int:
    """Return what the period has spent by now."""
    return sum(n for hour, n in history.items() if hour >= start.timestamp())


def test_weekends_are_expected_to_be_weekends() -> None:
    """What is spent on working days alone is projected onto those that are left."""
    history = hourly(8)

    found = project(history, MONTH, NOW, spent(history))

    assert found.expected == 21 * 24 * 100  # November 2026 has 21 working days
    assert (found.low, found.high) == (found.expected, found.expected)


def test_the_hour_is_told_at_which_the_limit_is_reached() -> None:
    """A limit that the Friday before the weekend leaves open falls on Monday."""
    history = hourly(8)
    friday_and_an_hour = spent(history) + 4 * 24 * 100 + 100

    found = project(history, MONTH, NOW, spent(history), friday_and_an_hour)

    assert found.crosses_at == datetime(2026, 11, 23, 1, tzinfo=UTC)


def test_one_wild_day_does_not_make_the_forecast() -> None:
    """Of eight Mondays the greatest and the least are left out."""
    history = hourly(8)
    wild = int(datetime(2026, 11, 9, 12, tzinfo=UTC).timestamp())

    found = project(history | {wild: 1_000_000}, MONTH, NOW, spent(history))

    assert found.expected == pytest.approx(21 * 24 * 100, rel=0.01)
    assert found.low < found.expected < found.high


def test_newer_weeks_count_for_more() -> None:
    """Spend that doubled two weeks ago is projected above the mean of both."""
    old = hourly(8, until=NOW - timedelta(weeks=2))
    history = old | hourly(2, working=200)
    rest = 10 * 24

    found = project(history, MONTH, NOW, spent(history))

    assert found.expected - spent(history) > rest * 130


def test_short_history_goes_on_as_the_period_did() -> None:
    """With less than two weeks of history the pace of the period is all there is."""
    start, now = START, START + timedelta(days=3)
    history = {int(start.timestamp()) + h * HOUR_SECONDS: 10 for h in range(72)}

    found = project(history, (start, END), now, 720, limit=1000)

    assert found.expected == 7200
    assert found.low < 7200 < found.high
    assert found.crosses_at == start + timedelta(hours=100)


def test_days_are_those_of_the_zone() -> None:
    """What is spent on Sundays in Auckland is expected on Sundays there."""
    start = int((NOW - timedelta(weeks=8)).timestamp())
    sunday = datetime(2026, 11, 15, 3, tzinfo=UTC)  # 16:00 on Sunday in Auckland
    evening = datetime(2026, 11, 14, 12, tzinfo=UTC)  # Sunday, 1:00 there
    history = {
        int((moment - timedelta(weeks=week)).timestamp()): 50
        for week in range(8)
        for moment in (sunday, evening)
    } | {start: 0}
    period = (NOW, NOW + timedelta(days=7))

    there = project(history, period, NOW, 0, limit=60, zone="Pacific/Auckland")

    assert there.expected == 100
    assert there.crosses_at is not None
    assert there.crosses_at.date() == datetime(2026, 11, 22, tzinfo=UTC).date()


def test_a_period_that_is_over_is_as_it_is() -> None:
    """Nothing is projected onto the past."""
    assert project(hourly(8), MONTH, END, 42, 40) == Projection(42, 42, 42, None)


def test_what_is_crossed_is_not_crossed_again() -> None:
    """A limit that has been reached has no date at which it will be."""
    assert project(hourly(8), MONTH, NOW, 42, 42).crosses_at is None


def test_nothing_known_is_nothing_expected() -> None:
    """Without any spend nothing is expected, and nothing fails."""
    assert project({}, MONTH, START, 0, 10) == Projection(0, 0, 0, None)


@given(
    st.dictionaries(
        st.integers(0, 24 * 60).map(lambda h: int(NOW.timestamp()) - h * HOUR_SECONDS),
        st.integers(-(10**12), 10**15),
    ),
    st.integers(-(10**12), 10**15),
    st.integers(0, 10**15),
    st.sampled_from(("UTC", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe")),
)
def test_a_range_holds_what_is_expected_whatever_the_history(
    history: dict[int, int], so_far: int, limit: int, zone: str
) -> None:
    """Spent ≤ low ≤ expected ≤ high, and a date only for what is expected."""
    found = project(history, MONTH, NOW, so_far, limit, zone)

    assert so_far <= found.low <= found.expected <= found.high
    if found.crosses_at is not None:
        assert NOW <= found.crosses_at <= END
        assert so_far < limit <= found.expected + 1 + 1e-8 * limit
