"""Spend over time, as the chart and the table beneath it have it: pure.

Each stretch of the chart has its exact sum, and of it what went to the dearest few;
the rest is what is left of the sum, so that a column adds up to the last digit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Final, Literal, NamedTuple, cast

from taximeter.moments import time_zone
from taximeter.reports.figures import Row, amount
from taximeter.spend_report import Stretch

__all__ = ["OTHERS", "Bucket", "Course", "Grain", "course_of", "grain_of"]

Grain = Literal["hour", "day", "week", "month"]

OTHERS: Final = "all others"
"""What the rest of a column is called."""

_MOST_BUCKETS: Final = 2_000
_HOUR: Final = timedelta(hours=1)
_FINEST: Final[tuple[tuple[timedelta, Grain], ...]] = (
    (timedelta(hours=50), "hour"),
    (timedelta(days=100), "day"),
    (timedelta(days=400), "week"),
)


class Bucket(NamedTuple):
    """One column: `[start, end)`, its sums, and what each series has of it.

    `cost_usd` is None where calls were made and none of them has a price.
    """

    start: datetime
    end: datetime
    calls: int
    unpriced_calls: int
    cost_usd: Decimal | None
    parts: tuple[Decimal, ...]


class Course(NamedTuple):
    """All columns, and whose parts they have."""

    grain: Grain
    series: tuple[str, ...]
    buckets: list[Bucket]


def grain_of(stretch: Stretch, now: datetime) -> Grain:
    """Return how long the columns of a stretch are: some tens of them.

    >>> grain_of(Stretch(datetime(2026, 11, 1, tzinfo=UTC)),
    ...          datetime(2026, 11, 22, tzinfo=UTC))
    'day'
    """
    if stretch.start is None:
        return "month"
    span = (stretch.end or now) - stretch.start
    for most, grain in _FINEST:
        if span <= most:
            return grain
    return "month"


def course_of(
    stretch: Stretch,
    now: datetime,
    grain: Grain,
    sums: Sequence[Row],
    parts: Iterable[tuple[object, str, Decimal | None]],
) -> Course:
    """Return the columns of a stretch, empty ones among them.

    Args:
        stretch: what is looked at.
        now: where it ends if it has no end.
        grain: how long a column is.
        sums: the sums of each column that has any, under the grain's name.
        parts: column, series and cost, for the series that have a colour.
    """
    of: dict[object, dict[str, Decimal]] = {}
    for place, name, cost in parts:
        of.setdefault(place, {})[name] = cost or Decimal(0)
    names = list(dict.fromkeys(name for found in of.values() for name in found))
    known = {row[grain]: row for row in sums}
    columns = [
        _bucket(place, grain, stretch.zone, known.get(place), names, of.get(place, {}))
        for place in _places(stretch, now, grain, list(known))
    ]
    return Course(grain, (*names, OTHERS), columns)


def _bucket(
    place: object,
    grain: Grain,
    zone: str,
    row: Row | None,
    names: Sequence[str],
    of: dict[str, Decimal],
) -> Bucket:
    start = _local(place, zone)
    end = _after(start, grain, zone)
    known = [of.get(name, Decimal(0)) for name in names]
    cost = Decimal(0) if row is None else amount(row["cost_usd"])
    rest = (cost or Decimal(0)) - sum(known, Decimal(0))
    calls, unpriced = (
        (0, 0) if row is None else (_count(row["calls"]), _count(row["unpriced_calls"]))
    )
    return Bucket(
        start.astimezone(UTC),
        end.astimezone(UTC),
        calls,
        unpriced,
        cost,
        (*known, rest),
    )


def _places(
    stretch: Stretch, now: datetime, grain: Grain, known: Sequence[object]
) -> list[object]:
    """Return the columns, as the ledger names them, in the order of time."""
    zone = time_zone(stretch.zone)
    first = stretch.start
    starts = [_local(place, stretch.zone) for place in known]
    if first is None:
        first = min(starts, default=now)
    last = stretch.end or max([now, *starts])
    found: list[object] = []
    for place in _from(first.astimezone(zone), grain):
        if _local(place, stretch.zone) >= last or len(found) >= _MOST_BUCKETS:
            break
        found.append(place)
    return found


def _from(first: datetime, grain: Grain) -> Iterator[object]:
    if grain == "hour":
        moment = first.astimezone(UTC).replace(second=0, microsecond=0)
        moment -= timedelta(minutes=first.minute)
        seen = None
        while True:
            place = f"{moment.astimezone(first.tzinfo):%Y-%m-%d %H:00}"
            if place != seen:  # an hour that comes twice is one to the ledger
                yield place
            seen = place
            moment += _HOUR
    day = _first_day(first.date(), grain)
    while True:
        yield day
        day = _next_day(day, grain)


def _first_day(day: date, grain: Grain) -> date:
    if grain == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if grain == "month" else day


def _next_day(day: date, grain: Grain) -> date:
    if grain == "month":
        return (day.replace(day=28) + timedelta(days=4)).replace(day=1)
    return day + timedelta(days=7 if grain == "week" else 1)


def _local(place: object, zone: str) -> datetime:
    """Return where a column begins, as the ledger names it: a date, or an hour."""
    here = time_zone(zone)
    if isinstance(place, str):
        return datetime.fromisoformat(place).replace(tzinfo=here)
    return datetime.combine(cast("date", place), time(), here)


def _after(start: datetime, grain: Grain, zone: str) -> datetime:
    if grain == "hour":
        return start.astimezone(UTC) + _HOUR
    following = _next_day(start.date(), grain)
    return datetime.combine(following, time(), time_zone(zone))


def _count(value: object) -> int:
    return int(str(value))
