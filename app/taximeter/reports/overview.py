"""What a report says that was not asked for anything in particular.

All of it is asked for with one query, so that the sums of today, this week, this month,
of weekdays and of all time agree with each other to the last digit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final, NamedTuple, cast

from taximeter.moments import moment_in
from taximeter.reports.figures import (
    MONEY_PLACES,
    Row,
    added,
    amount,
    per_call,
    with_shares,
)
from taximeter.reports.stretches import first_days
from taximeter.spend_report import Stretch, named_row
from taximeter_sinks.dimensions import Only
from taximeter_sinks.queries import Ledger, SpendRow
from taximeter_sinks.spend import Part

__all__ = ["Overview", "overview", "period_rows", "rhythm_rows"]

_TOP_MODELS: Final = 3
_PEAK_HOURS = _PEAK_DAYS = 3
_MODELS, _SUBJECTS, _DAYS = 20, 10, 31
_SATURDAY: Final = 5
_HOUR: Final = "hour_of_day"


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
    peak_days: list[Row]


def overview(
    ledger: Ledger,
    stretch: Stretch,
    now: datetime,
    limit: int | None = None,
    only: Only | None = None,
) -> Overview:
    """Return the usual sections over a stretch of time; `limit` is for each."""
    first = {} if stretch.is_limited else _first_days(now, stretch.zone)
    parts = [
        *(Part("model", moment_in(stretch.zone, day)) for day in first.values()),
        *(Part(by, stretch.start, stretch.end) for by in ("model", "day", _HOUR)),
        *(
            Part(by, stretch.start, stretch.end, limit or _SUBJECTS)
            for by in ("user", "project")
        ),
    ]
    *since, models, days, hours, users, projects = _asked(ledger, parts, stretch, only)
    periods = [
        (name, first[name], rows) for name, rows in zip(first, since, strict=True)
    ]
    total = added(models)
    return Overview(
        total,
        period_rows([*periods, ("all time", None, models)]) if first else [],
        with_shares(models[: limit or _MODELS], total),
        with_shares(users, total),
        with_shares(projects, total),
        with_shares(days[-(limit or _DAYS) :], total),
        rhythm_rows(days),
        with_shares(hours[:_PEAK_HOURS], total),
        _peak_days(ledger, days, stretch, only, total),
    )


def _asked(
    ledger: Ledger, parts: Sequence[Part], stretch: Stretch, only: Only | None
) -> list[list[Row]]:
    """Return the rows of each part: days in their order, all else the dearest first."""
    answers = zip(parts, ledger.parts(parts, stretch.zone, only), strict=True)
    return [_ordered(part.by, lines) for part, lines in answers]


def _ordered(by: str, lines: Iterable[SpendRow]) -> list[Row]:
    rows = [named_row((by,), line) for line in lines]
    if by != "day":
        return _dearest(rows, by)
    days = [row | {by: date.fromisoformat(str(row[by]))} for row in rows]
    return sorted(days, key=_day)


def period_rows(
    periods: Iterable[tuple[str, date | None, Sequence[Row]]],
) -> list[Row]:
    """Return periods with their sums and top models.

    Args:
        periods: the name of each, its first day, and spend by model, the dearest first.
    """
    return [
        {"period": name, "since": first} | _period(by_model)
        for name, first, by_model in periods
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


def _period(by_model: Sequence[Row]) -> Row:
    sums = added(by_model)
    models = _top_of(with_shares(by_model, sums))
    return sums | {"average_usd": per_call(sums), "top_models": models}


def _peak_days(
    ledger: Ledger,
    days: Iterable[Row],
    stretch: Stretch,
    only: Only | None,
    total: Row,
) -> list[Row]:
    """Return the dearest days, with what most of each went to and was for."""
    peaks = with_shares(_dearest(days, "day")[:_PEAK_DAYS], total)
    within = [_within(_day(peak), stretch) for peak in peaks]
    parts = [Part(by, *each) for each in within for by in ("model", "project")]
    found = _asked(ledger, parts, stretch, only)
    return [
        peak
        | {
            "average_usd": per_call(peak),
            "top_models": _top_of(with_shares(models, peak)),
            "top_projects": _top_of(with_shares(projects, peak)),
        }
        for peak, models, projects in zip(peaks, found[::2], found[1::2], strict=True)
    ]


def _within(day: date, stretch: Stretch) -> tuple[datetime, datetime]:
    """Return when a day begins and ends, as far as it is in a stretch."""
    start = moment_in(stretch.zone, day)
    end = moment_in(stretch.zone, day + timedelta(days=1))
    return max(start, stretch.start or start), min(end, stretch.end or end)


def _top_of(rows: Sequence[Row]) -> list[Row]:
    """Return the first of some rows, by what they are of, with cost and share."""
    names = ("model", "project", "cost_usd", "share_percent")
    return [{n: row[n] for n in names if n in row} for row in rows[:_TOP_MODELS]]


def _dearest(rows: Iterable[Row], by: str) -> list[Row]:
    """Return rows, the dearest first and those without a price last."""
    return sorted(
        rows, key=lambda row: (*_order(amount(row["cost_usd"])), str(row[by]))
    )


def _order(cost: Decimal | None) -> tuple[bool, Decimal]:
    return cost is None, -(cost or Decimal(0))


def _first_days(now: datetime, zone: str) -> dict[str, date]:
    names = ("today", "this week", "this month")
    return dict(zip(names, first_days(now, zone), strict=True))


def _day(row: Row) -> date:
    return cast("date", row["day"])


def _is_weekend(day: date) -> bool:
    return day.weekday() >= _SATURDAY


def _is_workday(day: date) -> bool:
    return not _is_weekend(day)


def _rounded(usd: Decimal) -> Decimal:
    return usd.quantize(MONEY_PLACES, ROUND_HALF_EVEN)
