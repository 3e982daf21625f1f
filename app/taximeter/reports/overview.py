"""What a report says that was not asked for anything in particular.

The sums of today, this week, this month, of weekdays and of all time are added up from
one answer by day and model, so that they agree with each other to the last digit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final, NamedTuple, cast

from taximeter.reports.figures import (
    MONEY_PLACES,
    Row,
    added,
    amount,
    per_call,
    with_shares,
)
from taximeter.reports.stretches import first_days
from taximeter.spend_report import Stretch, spend_rows
from taximeter_sinks.dimensions import Only
from taximeter_sinks.queries import Ledger

__all__ = ["Overview", "overview", "period_rows", "rhythm_rows"]

_TOP_MODELS: Final = 3
_PEAK_HOURS: Final = 3
_MODELS, _SUBJECTS, _DAYS = 20, 10, 31
_SATURDAY: Final = 5


class Overview(NamedTuple):
    """The sections of a report, each as rows.

    `periods` is empty where a stretch of time was asked for.
    """

    total: Row
    periods: list[Row]
    by_model: list[Row]
    by_user: list[Row]
    by_project: list[Row]
    by_day: list[Row]
    rhythm: list[Row]
    peak_hours: list[Row]


def overview(
    ledger: Ledger,
    stretch: Stretch,
    now: datetime,
    limit: int | None = None,
    only: Only | None = None,
) -> Overview:
    """Return the usual sections over a stretch of time; `limit` is for each."""
    cells = spend_rows(ledger, ("day", "model"), stretch, only=only)
    hours = spend_rows(ledger, ("hour_of_day",), stretch, only=only)
    by_day = _grouped(cells, "day")
    total = added(cells)
    return Overview(
        total,
        [] if _is_limited(stretch) else period_rows(cells, now, stretch.zone),
        with_shares(_dearest(_grouped(cells, "model"))[: limit or _MODELS], total),
        _top(ledger, "user", stretch, limit, only, total),
        _top(ledger, "project", stretch, limit, only, total),
        with_shares(by_day[-(limit or _DAYS) :], total),
        rhythm_rows(by_day),
        with_shares(_dearest(hours)[:_PEAK_HOURS], total),
    )


def period_rows(cells: Sequence[Row], now: datetime, zone: str) -> list[Row]:
    """Return today, this week, this month and all time, with their top models.

    Args:
        cells: spend by day and model.
        now: the present.
        zone: the IANA time zone in which the days are days.
    """
    today, week, month = first_days(now, zone)
    starts = {"today": today, "this week": week, "this month": month, "all time": None}
    return [
        {"period": name, "since": first} | _period(_since(cells, first))
        for name, first in starts.items()
    ]


def rhythm_rows(by_day: Sequence[Row]) -> list[Row]:
    """Return weekdays and weekends, on average over all days between the first and
    the last, those without calls among them.
    """  # noqa: D205 - one sentence
    if not by_day:
        return []
    first, last = _day(by_day[0]), _day(by_day[-1])
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return [
        {"days": name} | _average_day(days, by_day, belongs)
        for name, belongs in (("Mon-Fri", _is_workday), ("Sat-Sun", _is_weekend))
    ]


def _average_day(
    days: Sequence[date], by_day: Sequence[Row], belongs: Callable[[date], bool]
) -> Row:
    count = sum(map(belongs, days))
    sums = added([row for row in by_day if belongs(_day(row))])
    cost, calls = amount(sums["cost_usd"]), int(str(sums["calls"]))
    daily = None if cost is None or not count else cost / count
    return sums | {
        "number": count,
        "usd_per_day": None if daily is None else _rounded(daily),
        "calls_per_day": round(calls / count) if count else None,
    }


def _period(cells: Sequence[Row]) -> Row:
    sums = added(cells)
    models = with_shares(_dearest(_grouped(cells, "model")), sums)[:_TOP_MODELS]
    names = ("model", "cost_usd", "share_percent")
    return sums | {
        "average_usd": per_call(sums),
        "top_models": [{name: row[name] for name in names} for row in models],
    }


def _top(
    ledger: Ledger,
    by: str,
    stretch: Stretch,
    limit: int | None,
    only: Only | None,
    total: Row,
) -> list[Row]:
    rows = spend_rows(ledger, (by,), stretch, limit or _SUBJECTS, only)
    return with_shares(rows, total)


def _grouped(cells: Iterable[Row], name: str) -> list[Row]:
    """Return the sums for each value of a dimension, as they come."""
    groups: dict[object, list[Row]] = defaultdict(list)
    for cell in cells:
        groups[cell[name]].append(cell)
    return [{name: value} | added(rows) for value, rows in groups.items()]


def _dearest(rows: Iterable[Row]) -> list[Row]:
    """Return rows, the dearest first and those without a price last."""
    return sorted(rows, key=lambda row: _order(amount(row["cost_usd"])))


def _order(cost: Decimal | None) -> tuple[bool, Decimal]:
    return cost is None, -(cost or Decimal(0))


def _since(cells: Sequence[Row], first: date | None) -> list[Row]:
    return [cell for cell in cells if first is None or _day(cell) >= first]


def _day(row: Row) -> date:
    return cast("date", row["day"])


def _is_limited(stretch: Stretch) -> bool:
    return stretch.start is not None or stretch.end is not None


def _is_weekend(day: date) -> bool:
    return day.weekday() >= _SATURDAY


def _is_workday(day: date) -> bool:
    return not _is_weekend(day)


def _rounded(usd: Decimal) -> Decimal:
    return usd.quantize(MONEY_PLACES, ROUND_HALF_EVEN)
