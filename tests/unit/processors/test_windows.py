"""Budget periods by example; tests/property/test_windows.py has the rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from taximeter_processors.windows import Bounds, period_bounds, window_start
from taximeter_schemas.budgets import Period


def bounds_at(period: Period, time_zone: str, moment: str) -> Bounds:
    """Return the period that a moment, given in UTC, lies in."""
    at = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    return period_bounds(period, time_zone, window_start(at))


def local(bounds: Bounds, time_zone: str) -> tuple[str, str]:
    """Return start and end on the zone's own clocks."""
    assert bounds.start is not None
    assert bounds.end is not None
    zone = ZoneInfo(time_zone)
    return (
        bounds.start.astimezone(zone).strftime("%F %R"),
        bounds.end.astimezone(zone).strftime("%F %R"),
    )


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        ("hour", "2026-11-22 12:00", "2026-11-22 13:00"),
        ("day", "2026-11-22 00:00", "2026-11-23 00:00"),
        ("week", "2026-11-16 00:00", "2026-11-23 00:00"),
        ("month", "2026-11-01 00:00", "2026-12-01 00:00"),
        ("quarter", "2026-10-01 00:00", "2027-01-01 00:00"),
        ("year", "2026-01-01 00:00", "2027-01-01 00:00"),
    ],
)
def test_periods_are_the_calendars(period: Period, start: str, end: str) -> None:
    """Each period begins and ends where the calendar says; 22 November is a Sunday."""
    bounds = bounds_at(period, "UTC", "2026-11-22T12:34:56")
    assert local(bounds, "UTC") == (start, end)


def test_total_has_no_bounds() -> None:
    """A budget over all time has neither start nor end."""
    assert bounds_at("total", "Asia/Tokyo", "2026-11-22T12:00") == (None, None)


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-11-22", 24)]
)
def test_a_day_is_as_long_as_the_zone_says(day: str, hours: int) -> None:
    """Berlin's days last 23 and 25 hours when its clocks change."""
    bounds = bounds_at("day", "Europe/Berlin", f"{day}T12:00")
    assert local(bounds, "Europe/Berlin")[0] == f"{day} 00:00"
    assert bounds.end is not None
    assert bounds.start is not None
    assert bounds.end - bounds.start == timedelta(hours=hours)


def test_the_hour_that_comes_twice_is_two_periods() -> None:
    """02:30 before and after Berlin's clocks go back lies in two different hours."""
    first = bounds_at("hour", "Europe/Berlin", "2026-10-25T00:30")
    second = bounds_at("hour", "Europe/Berlin", "2026-10-25T01:30")
    assert first.end == second.start
    assert local(first, "Europe/Berlin")[0] == local(second, "Europe/Berlin")[0]


@pytest.mark.parametrize(
    ("time_zone", "starts"),
    [("Asia/Kolkata", "18:30"), ("Asia/Kathmandu", "18:15"), ("UTC", "00:00")],
)
def test_midnight_between_utc_hours(time_zone: str, starts: str) -> None:
    """A zone at +5:30 or +5:45 has its own midnight, and an hour of its own."""
    day = bounds_at("day", time_zone, "2026-11-22T12:00")
    assert day.start is not None
    assert day.start.strftime("%R") == starts
    hour = bounds_at("hour", time_zone, "2026-11-22T12:40")
    assert local(hour, time_zone)[0].endswith(":00")


def test_a_window_never_crosses_a_quarter_hour() -> None:
    """The grain is a quarter of an hour, so that every midnight is at its edge."""
    at = datetime(2026, 11, 22, 18, 14, 59, 999_999, tzinfo=UTC)
    after = at + timedelta(microseconds=1)
    assert window_start(after) - window_start(at) == 900
    assert datetime.fromtimestamp(window_start(after), UTC) == after


def test_an_iso_week_may_cross_the_year() -> None:
    """1 January 2027 is a Friday of the week that began on 28 December."""
    bounds = bounds_at("week", "UTC", "2027-01-01T00:00")
    assert local(bounds, "UTC") == ("2026-12-28 00:00", "2027-01-04 00:00")


def test_december_leads_into_the_next_year() -> None:
    """Month and quarter end on 1 January."""
    for period in ("month", "quarter"):
        bounds = bounds_at(period, "UTC", "2026-12-31T23:59")
        assert local(bounds, "UTC")[1] == "2027-01-01 00:00"


def test_a_midnight_that_does_not_exist() -> None:
    """Cairo's day begins at 01:00 when its clocks skip midnight; nothing is lost."""
    skipped = bounds_at("day", "Africa/Cairo", "2026-04-24T12:00")
    before = bounds_at("day", "Africa/Cairo", "2026-04-23T12:00")
    assert local(skipped, "Africa/Cairo")[0] == "2026-04-24 01:00"
    assert before.end == skipped.start


def test_a_day_that_does_not_exist() -> None:
    """Samoa had no 30 December 2011: the 29th touches the 31st."""
    before = bounds_at("day", "Pacific/Apia", "2011-12-30T09:59")
    after = bounds_at("day", "Pacific/Apia", "2011-12-30T10:00")
    assert local(before, "Pacific/Apia")[0] == "2011-12-29 00:00"
    assert local(after, "Pacific/Apia")[0] == "2011-12-31 00:00"
    assert before.end == after.start


def test_half_an_hour_of_summer_time() -> None:
    """Lord Howe's half hour between two hours is a short period, and overlaps none."""
    zone = "Australia/Lord_Howe"
    moments = ("2026-04-04T14:45", "2026-04-04T15:15", "2026-04-04T15:45")
    hours = [bounds_at("hour", zone, moment) for moment in moments]
    assert [bounds.end for bounds in hours[:2]] == [b.start for b in hours[1:]]
