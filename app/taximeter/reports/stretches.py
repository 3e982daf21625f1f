"""The stretch of time that people's options mean: pure, the present is an argument."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

from taximeter.moments import moment_in, time_zone
from taximeter.spend_report import Stretch
from taximeter_schemas.errors import ConfigurationError

__all__ = ["Asked", "day_stretch", "first_days", "month_stretch", "stretch_of"]

_LAST: Final = re.compile(r"([1-9]\d{0,4})([hdwmy])")
_MONTH: Final = re.compile(r"(\d{4})-(\d{2})")
_YEAR: Final = re.compile(r"\d{4}")
_MONTHS_OF: Final = {"m": 1, "y": 12}
_DAYS_OF: Final = {"d": 1, "w": 7}


class Asked(NamedTuple):
    """The options about time, as they were given."""

    start: str | None = None
    end: str | None = None
    last: str | None = None
    month: str | None = None
    year: str | None = None
    zone: str = "UTC"


def stretch_of(asked: Asked, now: datetime) -> Stretch:
    """Return the stretch of event time that is meant.

    Raises:
        ConfigurationError: two ways to say it are mixed, or one is not understood.

    >>> stretch_of(Asked(month="2026-11"), datetime(2026, 12, 9, tzinfo=UTC)).end
    datetime.datetime(2026, 12, 1, 0, 0, tzinfo=datetime.timezone.utc)
    """
    ways = {
        "--from/--to": asked.start or asked.end,
        "--last": asked.last,
        "--month": asked.month,
        "--year": asked.year,
    }
    given = [name for name, value in ways.items() if value is not None]
    if len(given) > 1:
        raise ConfigurationError(f"give one of {' and '.join(given)}, not both")
    if asked.last is not None:
        return _last(asked.last, asked.zone, now)
    if asked.month is not None:
        return month_stretch(asked.month, asked.zone)
    if asked.year is not None:
        return _year(asked.year, asked.zone)
    return Stretch.parse(asked.start, asked.end, asked.zone)


def month_stretch(text: str, zone: str) -> Stretch:
    """Return a month like 2026-11, in a time zone.

    Raises:
        ConfigurationError: it is none.
    """
    found = _MONTH.fullmatch(text)
    first = _day_of(int(found[1]), int(found[2])) if found else None
    if first is None or first.year == date.max.year:
        words = f"{text[:40]!r} is not a month: write one like 2026-11"
        raise ConfigurationError(words)
    return _days(first, _months_later(first, 1), zone)


def first_days(now: datetime, zone: str) -> tuple[date, date, date]:
    """Return today, and the first day of this week and of this month.

    >>> first_days(datetime(2026, 11, 22, 23, 30, tzinfo=UTC), "Europe/Berlin")[0]
    datetime.date(2026, 11, 23)
    """
    today = now.astimezone(time_zone(zone)).date()
    return today, today - timedelta(days=today.weekday()), today.replace(day=1)


def day_stretch(text: str, zone: str) -> Stretch:
    """Return a day like 2026-11-22, in a time zone.

    Raises:
        ConfigurationError: it is none.
    """
    try:
        day = date.fromisoformat(text)
        return _days(day, day + timedelta(days=1), zone)
    except (ValueError, OverflowError):
        words = f"{text[:40]!r} is not a day: write one like 2026-11-22"
        raise ConfigurationError(words) from None


def _year(text: str, zone: str) -> Stretch:
    first = _day_of(int(text), 1) if _YEAR.fullmatch(text) else None
    if first is None or first.year == date.max.year:
        words = f"{text[:40]!r} is not a year: write one like 2026"
        raise ConfigurationError(words)
    return _days(first, first.replace(year=first.year + 1), zone)


def _day_of(year: int, month: int) -> date | None:
    try:
        return date(year, month, 1)
    except ValueError:
        return None


def _last(text: str, zone: str, now: datetime) -> Stretch:
    """Return the latest so many whole hours, days, … the present one among them."""
    found = _LAST.fullmatch(text)
    if found is None:
        raise ConfigurationError(
            f"{text[:40]!r} is no length: write 24h, 7d, 4w, 3m or 1y"
        )
    count, unit = int(found[1]), found[2]
    today = now.astimezone(time_zone(zone)).date()
    try:
        if unit == "h":
            hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
            return Stretch(hour - timedelta(hours=count - 1), None, zone)
        if unit in _DAYS_OF:
            first = today - timedelta(days=count * _DAYS_OF[unit] - 1)
        else:
            first = _months_later(today, -count * _MONTHS_OF[unit]) + timedelta(days=1)
    except (ValueError, OverflowError):
        raise ConfigurationError(f"{text!r} is before all time") from None
    return _days(first, None, zone)


def _days(first: date, behind: date | None, zone: str) -> Stretch:
    end = None if behind is None else moment_in(zone, behind)
    return Stretch(moment_in(zone, first), end, zone)


def _months_later(day: date, months: int) -> date:
    """Return the same day of another month, or the last one that it has.

    >>> _months_later(date(2026, 3, 31), -1)
    datetime.date(2026, 2, 28)
    """
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = (date(year + month // 11, (month + 1) % 12 + 1, 1) - timedelta(days=1)).day
    return date(year, month + 1, min(day.day, last))
