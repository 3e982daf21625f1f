"""Moments as people write them."""

from __future__ import annotations

import pytest

from taximeter.moments import parse_moment
from taximeter.spend_report import Stretch, parse_dimensions
from taximeter_schemas.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-22", "2026-11-21T23:00:00+00:00"),
        ("2026-11-22T12:30", "2026-11-22T11:30:00+00:00"),
        ("2026-11-22T12:30:00.5-05:00", "2026-11-22T17:30:00.500000+00:00"),
    ],
)
def test_what_has_no_zone_is_in_the_one_asked_for(text: str, moment: str) -> None:
    """A date means its first moment in the time zone; an offset wins over it."""
    assert parse_moment(text, "Europe/Berlin").isoformat() == moment


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "0001-01-01", "\0"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    """The answer shows what a moment looks like."""
    with pytest.raises(ConfigurationError, match="is not a moment: write a date like"):
        parse_moment(text, "Asia/Tokyo")


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "..", "\0", "x" * 5000])
def test_what_is_no_time_zone_is_refused(zone: str) -> None:
    """Whatever the system says about such a name, the answer is one error."""
    with pytest.raises(ConfigurationError, match="is not an IANA time zone"):
        Stretch.parse(None, None, zone)


def test_dimensions_are_known_and_stand_once() -> None:
    """An unknown one is answered with those that there are."""
    assert parse_dimensions(" user ,day,") == ("user", "day")
    with pytest.raises(ConfigurationError, match="choose from user, model"):
        parse_dimensions("colour")
    with pytest.raises(ConfigurationError, match="can stand once"):
        parse_dimensions("user,user")
