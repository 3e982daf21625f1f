"""Windows tile time, in every zone and for every period."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import get_args
from zoneinfo import ZoneInfo, available_timezones

from hypothesis import given
from hypothesis import strategies as st

from taximeter_processors.windows import Bounds, period_bounds, window_start
from taximeter_schemas.budgets import Period
from taximeter_schemas.spend import WINDOW_SECONDS

zones = st.sampled_from(sorted(available_timezones()))
periods = st.sampled_from([period for period in get_args(Period) if period != "total"])
# Until 2011 Newfoundland changed its clocks at 00:01, off every grid.
moments = st.datetimes(
    datetime(2012, 1, 1),  # noqa: DTZ001 - Hypothesis adds the zone itself
    datetime(2037, 12, 30),  # noqa: DTZ001
    timezones=st.just(UTC),
)


def period_at(period: Period, zone: str, moment: datetime) -> tuple[datetime, datetime]:
    """Return the period that a moment lies in."""
    start, end = period_bounds(period, zone, window_start(moment))
    assert start is not None
    assert end is not None
    return start, end


@given(periods, zones, moments)
def test_every_moment_lies_in_its_period(
    period: Period, zone: str, moment: datetime
) -> None:
    """A period holds the moments that lead to it, up to both its edges."""
    start, end = period_at(period, zone, moment)
    assert start <= moment < end
    last = end - timedelta(microseconds=1)
    assert period_at(period, zone, start) == period_at(period, zone, last)
    assert period_at(period, zone, start) == (start, end)


@given(periods, zones, moments)
def test_consecutive_periods_touch(period: Period, zone: str, moment: datetime) -> None:
    """Where a period ends, the next one begins."""
    _, end = period_at(period, zone, moment)
    assert period_at(period, zone, end)[0] == end


@given(periods, zones, st.integers(2012, 2037), st.integers(0, 1))
def test_nothing_overlaps_where_clocks_change(
    period: Period, zone: str, year: int, which: int
) -> None:
    """Window by window over a change of the clocks, periods follow without overlap."""
    change = _change(zone, year, which)
    windows = range(change - 8 * 3600, change + 8 * 3600, WINDOW_SECONDS)
    found: list[Bounds] = [period_bounds(period, zone, window) for window in windows]
    for before, after in pairwise(found):
        assert before == after or before.end == after.start


def _change(zone: str, year: int, which: int) -> int:
    # The first or last day of the year on which the zone's offset changes.
    first = int(datetime(year, 1, 1, tzinfo=UTC).timestamp())
    days = range(first, first + 364 * 86_400, 86_400)
    offsets = [datetime.fromtimestamp(day, ZoneInfo(zone)).utcoffset() for day in days]
    changes = [
        day
        for day, two in zip(days, pairwise(offsets), strict=False)
        if two[0] != two[1]
    ]
    if not changes:
        return first
    low, high = changes[-which], changes[-which] + 86_400
    before = datetime.fromtimestamp(low, ZoneInfo(zone)).utcoffset()
    while high - low > WINDOW_SECONDS:
        middle = (low + high) // 2 // WINDOW_SECONDS * WINDOW_SECONDS
        same = datetime.fromtimestamp(middle, ZoneInfo(zone)).utcoffset() == before
        low, high = (middle, high) if same else (low, middle)
    return high
