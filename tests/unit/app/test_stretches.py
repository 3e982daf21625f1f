"""The stretches of time that options mean."""

from __future__ import annotations

import pytest

from taximeter.reports.stretches import Asked, first_days, stretch_of
from taximeter_schemas.errors import ConfigurationError
from tests.builders import NOON


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        (Asked(last="1d"), "2026-11-22T00:00", None),
        (Asked(last="7d"), "2026-11-16T00:00", None),
        (Asked(last="24h"), "2026-11-21T13:00", None),
        (Asked(last="2w"), "2026-11-09T00:00", None),
        (Asked(last="3m"), "2026-08-23T00:00", None),
        (Asked(last="1y"), "2025-11-23T00:00", None),
        (Asked(month="2026-12"), "2026-12-01T00:00", "2027-01-01T00:00"),
        (
            Asked(None, None, None, "2026-11", zone="Asia/Tokyo"),
            "2026-10-31T15:00",
            "2026-11-30T15:00",
        ),
        (Asked(year="2026"), "2026-01-01T00:00", "2027-01-01T00:00"),
        (Asked("2026-11-01", "2026-11-02"), "2026-11-01T00:00", "2026-11-02T00:00"),
    ],
)
def test_a_stretch_begins_and_ends_with_whole_days(
    asked: Asked, start: str, end: str | None
) -> None:
    """The present hour, day or month is the last of so many; the end is not in it."""
    stretch = stretch_of(asked, NOON)
    assert stretch.start is not None
    assert stretch.start.isoformat() == f"{start}:00+00:00"
    assert (stretch.end and stretch.end.isoformat()) == (end and f"{end}:00+00:00")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (Asked(last="soon"), "write 24h, 7d, 4w, 3m or 1y"),
        (Asked(last="0d"), "write 24h"),
        (Asked(last="99999y"), "before all time"),
        (Asked(month="2026-13"), "is not a month"),
        (Asked(month="9999-12"), "is not a month"),
        (Asked(year="26"), "is not a year"),
        (Asked(last="7d", month="2026-11"), "one of --last and --month"),
        (Asked(last="7d", zone="Mars"), "not an IANA time zone"),
    ],
)
def test_what_is_no_stretch_is_refused(asked: Asked, words: str) -> None:
    """The answer shows what to write."""
    with pytest.raises(ConfigurationError, match=words):
        stretch_of(asked, NOON)


def test_weeks_begin_on_monday() -> None:
    """Of a Sunday the week's first day is six days before."""
    assert [f"{day}" for day in first_days(NOON, "UTC")] == [
        "2026-11-22",
        "2026-11-16",
        "2026-11-01",
    ]
