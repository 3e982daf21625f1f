"""By what spend is told apart, and which calls count, as SQL: pure, text in and out.

Moments are put into a time zone once for each quarter of an hour that occurs, not once
for each row: zones differ from UTC by quarters of an hour, and converting costs more
than all the rest of a report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from taximeter_schemas.errors import ConfigurationError
from taximeter_sinks.sql_text import sql_literal

__all__ = [
    "DIMENSIONS",
    "QUARTER",
    "TAG",
    "Only",
    "calendar_of",
    "chosen",
    "has_many_values",
    "is_dimension",
    "is_period",
    "key",
    "keys",
    "known_zone",
    "order",
    "placed_in_time",
    "places",
    "quoted",
    "within",
]

Only = Mapping[str, Sequence[str]]
"""Which calls count: for each dimension, periods left aside, the values that do."""

TAG: Final = "tag:"
"""What a dimension begins with that is a tag."""

_COLUMNS: Final = {
    "user": "user_id",
    "model": "model",
    "project": "project_id",
    "provider": "provider",
    "session": "session_id",
    "conversation": "conversation_id",
    "endpoint": "endpoint",
    "source": "source",
    "status": "status",
}
_PERIODS: Final = {
    "hour": "strftime(here, '%Y-%m-%d %H:00')",
    "day": "date_trunc('day', here)::DATE",
    "week": "date_trunc('week', here)::DATE",
    "month": "date_trunc('month', here)::DATE",
    "weekday": "dayname(here)",
    "hour_of_day": "strftime(here, '%H:00')",
}
_WEEKDAYS: Final = (
    "['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday']"
)

DIMENSIONS: Final = (*_COLUMNS, *_PERIODS)
"""By what spend can be told apart, and by `tag:NAME`."""

QUARTER: Final = "quarter"
"""Quarters of an hour, as whole numbers: for `keys`, and what calendars are made of."""

_MANY: Final = ("user", "session", "conversation")
_QUARTER: Final = "epoch_us(occurred_at) // 900000000"


def is_dimension(name: str) -> bool:
    """Tell whether spend can be told apart by this.

    >>> is_dimension("tag:team"), is_dimension("tag:"), is_dimension("colour")
    (True, False, False)
    """
    return name in DIMENSIONS or (name.startswith(TAG) and name != TAG)


def is_period(name: str) -> bool:
    """Tell whether a dimension is a stretch of time, which has an order of its own."""
    return name in _PERIODS


def has_many_values(name: str) -> bool:
    """Tell whether charges may have about as many values of a dimension as rows."""
    return name in _MANY or name.startswith(TAG)


def keys(by: Sequence[str]) -> str:
    """Return the columns of these dimensions, each with a comma behind it.

    >>> keys(["user", "day"])
    'user_id AS "user", calendar.day AS "day", '
    """
    columns = {name: _QUARTER if name == QUARTER else key(name) for name in by}
    return "".join(f"{sql} AS {_quoted(name)}, " for name, sql in columns.items())


def quoted(by: Sequence[str]) -> list[str]:
    """Return the names that `keys` gives.

    >>> quoted(["user", "day"])
    ['"user"', '"day"']
    """
    return [_quoted(name) for name in by]


def key(dimension: str) -> str:
    """Return the SQL that says what a row of `placed_in_time` is, in this dimension.

    Raises:
        ConfigurationError: there is no such dimension.
    """
    if dimension in _COLUMNS:
        return _COLUMNS[dimension]
    if dimension in _PERIODS:
        return f"calendar.{dimension}"
    if is_dimension(dimension):
        return f"tags[{sql_literal(dimension.removeprefix(TAG))}]"
    known = ", ".join(DIMENSIONS)
    raise ConfigurationError(
        f"cannot report by {dimension[:80]!r}: choose from {known} or tag:NAME"
    )


def placed_in_time(
    charges: str, by: Sequence[str], zone: str, where: str, rows: str | None = None
) -> str:
    """Return what to select from: charges, with a calendar where `by` needs one.

    Args:
        charges: the table.
        by: the dimensions that are asked for.
        zone: an IANA time zone.
        where: which charges, as `chosen` says it.
        rows: what stands for the charges of the condition, with more columns.

    Raises:
        ConfigurationError: there is no such time zone.
    """
    source = f"{rows or f'(SELECT * FROM {charges} {where})'} AS charges"  # noqa: S608
    if not any(map(is_period, by)):
        known_zone(zone)
        return source
    quarters = f"(SELECT {_QUARTER} AS quarter FROM {charges} {where})"  # noqa: S608
    calendar = calendar_of(quarters, by, zone)
    return f"{source} JOIN {calendar} AS calendar ON calendar.quarter = {_QUARTER}"


def calendar_of(quarters: str, by: Sequence[str], zone: str) -> str:
    """Return the periods of `by` for each `quarter` of an hour in something.

    Raises:
        ConfigurationError: there is no such time zone.
    """
    columns = ", ".join(f"{_PERIODS[n]} AS {n}" for n in by if n in _PERIODS)
    return f"""(
        SELECT quarter, {columns} FROM (
            SELECT quarter, timezone({known_zone(zone)}, to_timestamp(quarter * 900))
                AS here
            FROM (SELECT DISTINCT quarter FROM {quarters})
        )
    )"""  # noqa: S608


def chosen(
    start: datetime | None = None,
    end: datetime | None = None,
    only: Only | None = None,
) -> str:
    """Return the WHERE for `[start, end)` of event time and these calls.

    Raises:
        ConfigurationError: for a dimension that is unknown, or a period.
    """
    named = [
        f"{_plain(dimension)} IN ({', '.join(map(sql_literal, values))})"
        for dimension, values in (only or {}).items()
        if values
    ]
    return f"WHERE {' AND '.join([*within(start, end), *named])}"


def within(start: datetime | None, end: datetime | None) -> list[str]:
    """Return the conditions for `[start, end)` of event time; at least one."""
    bounds = [
        f"occurred_at {sign} TIMESTAMPTZ {sql_literal(moment.isoformat())}"
        for sign, moment in ((">=", start), ("<", end))
        if moment is not None
    ]
    return bounds or ["true"]


def order(by: Sequence[str]) -> str:
    """Return what rows are ordered by: periods by time, all else the dearest first."""
    if not any(map(is_period, by)):
        return f"cost_usd DESC NULLS LAST, {places(by)}"
    return ", ".join(
        f"list_position({_WEEKDAYS}, weekday)" if name == "weekday" else str(place)
        for place, name in enumerate(by, 1)
    )


def places(by: Sequence[str]) -> str:
    """Return the numbers of the columns of the dimensions.

    >>> places(["user", "day"])
    '1, 2'
    """
    return ", ".join(str(place) for place in range(1, len(by) + 1))


def known_zone(time_zone: str) -> str:
    """Return a time zone as an SQL literal.

    Raises:
        ConfigurationError: it is no IANA time zone.
    """
    try:
        ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigurationError(f"{time_zone!r} is not an IANA time zone") from error
    return sql_literal(time_zone)


def _plain(dimension: str) -> str:
    if is_period(dimension):
        raise ConfigurationError(f"{dimension!r} is no filter: give --from and --to")
    return key(dimension)


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'
