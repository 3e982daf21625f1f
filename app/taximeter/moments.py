"""Moments and time zones as people write them, on a command line or in a URL."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from taximeter_schemas.errors import ConfigurationError

__all__ = ["moment_in", "parse_moment", "time_zone"]


def parse_moment(text: str, zone: str = "UTC") -> datetime:
    """Return the moment that a date or an ISO 8601 time means, in UTC.

    Args:
        text: a date, which means its first moment, or a date and a time.
        zone: the IANA time zone of what does not carry one itself.

    Raises:
        ConfigurationError: it is neither, or there is no such time zone.

    >>> parse_moment("2026-11-22", "Europe/Berlin").isoformat()
    '2026-11-21T23:00:00+00:00'
    >>> parse_moment("2026-11-22T12:00Z", "Europe/Berlin").isoformat()
    '2026-11-22T12:00:00+00:00'
    """
    default = time_zone(zone)
    try:
        moment = datetime.fromisoformat(text.strip())
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=default)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ConfigurationError(
            f"{text!r} is not a moment: write a date like 2026-11-22, "
            "or a time like 2026-11-22T12:00:00Z"
        ) from None


def moment_in(zone: str, day: date, at: time = time()) -> datetime:
    """Return the moment of a day's beginning, or of a time in it, in UTC.

    Raises:
        ConfigurationError: there is no such time zone.

    >>> moment_in("Europe/Berlin", date(2026, 11, 22)).isoformat()
    '2026-11-21T23:00:00+00:00'
    """
    return datetime.combine(day, at, time_zone(zone)).astimezone(UTC)


def time_zone(name: str) -> ZoneInfo:
    """Return an IANA time zone.

    Raises:
        ConfigurationError: there is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigurationError(
            f"{name!r} is not an IANA time zone: write one like Europe/Berlin"
        ) from None
