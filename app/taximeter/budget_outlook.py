"""Where budgets are going: percent, days left, the end of the period, and the limit.

What is said of the time to come is worked out when it is asked, from the ledger's
hourly history (`taximeter_processors.forecast`), for the subjects that are shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

from taximeter_processors.forecast import HISTORY, Hourly, Projection, project
from taximeter_schemas.budgets import Unit, in_unit
from taximeter_schemas.money import pico_from_usd, usd_from_pico
from taximeter_schemas.subjects import Subject, SubjectKind
from taximeter_sinks.hourly import HourSums
from taximeter_sinks.queries import Ledger

__all__ = ["OUTLOOK", "amount_in", "history_in", "with_outlook"]

Row = dict[str, Any]

OUTLOOK: Final = (
    "used_percent",
    "days_left",
    "average_a_day",
    "projected",
    "projected_low",
    "projected_high",
    "crosses_at",
)
"""What is said besides how a budget stands; amounts are in the budget's `unit`."""

_NOTHING: Final[Row] = dict.fromkeys(OUTLOOK)
# Of so many budgets, the fullest ones, the end is worked out: it takes a millisecond.
_MOST: Final = 1_000
_FAR: Final = timedelta(days=366)
_DAY: Final = timedelta(days=1)
_SHOWN: Final = Decimal("0.000001")


class _Amounts(NamedTuple):
    """What a row says of its limit and its spend, as whole numbers of its unit."""

    unit: Unit
    limit: int | None
    spent: int


def with_outlook(
    ledger: Ledger, rows: Sequence[Mapping[str, Any]], now: datetime
) -> list[Row]:
    """Return how budgets stand with where they are going.

    What remains, and what is reserved for calls under way, is said in the unit of the
    limit. Of a period that is over, or that moves on all the time, only that and the
    percent; of a budget over all time also when its limit will be reached, within a
    year.

    Args:
        ledger: where history is read, with one query.
        rows: as `budget_standing` returns them.
        now: the present moment.
    """
    current = [row for row in rows if _is_current(row, now)][:_MOST]
    history = ledger.hourly(_kinds(current), now - HISTORY)
    zones = {row[0]: row[1] for row in ledger.sql(_ZONES).rows} if current else {}
    looked_at = {id(row) for row in current}
    return [
        _with_percent(row)
        | (_ahead(row, now, history, zones) if id(row) in looked_at else {})
        for row in rows
    ]


_ZONES: Final = "SELECT budget_id, time_zone FROM budgets"


def history_in(unit: Unit, sums: HourSums) -> Hourly:
    """Return hourly sums in whole numbers of a unit."""
    if unit == "tokens":
        return {hour: one.tokens for hour, one in sums.items()}
    if unit == "calls":
        return {hour: one.calls for hour, one in sums.items()}
    return {hour: pico_from_usd(one.cost_usd) for hour, one in sums.items()}


def amount_in(unit: Unit, whole: int) -> Decimal:
    """Return a whole number of a unit as it is shown: USD with six places.

    >>> amount_in("usd", 1_234_567_890_123), amount_in("calls", 12)
    (Decimal('1.234568'), Decimal('12'))
    """
    if unit != "usd":
        return Decimal(whole)
    return usd_from_pico(whole).quantize(_SHOWN)


def _kinds(rows: Iterable[Mapping[str, Any]]) -> dict[SubjectKind, set[Subject]]:
    kinds: dict[SubjectKind, set[Subject]] = {}
    for row in rows:
        subject = Subject(row["subject_kind"], row["subject_id"])
        kinds.setdefault(subject.kind, set()).add(subject)
    return kinds


def _is_current(row: Mapping[str, Any], now: datetime) -> bool:
    start, end = row["period_start"], row["period_end"]
    if row["period"] == "total":
        return _amounts(row).limit is not None
    return not row["period"].startswith("rolling") and start <= now < end


def _amounts(row: Mapping[str, Any]) -> _Amounts:
    if row.get("limit_tokens") is not None:
        return _Amounts("tokens", int(row["limit_tokens"]), int(row["tokens"]))
    if row.get("limit_calls") is not None:
        return _Amounts("calls", int(row["limit_calls"]), int(row["calls"]))
    limit = row["limit_usd"]
    whole = None if limit is None else pico_from_usd(limit)
    return _Amounts("usd", whole, pico_from_usd(row["spent_usd"]))


def _with_percent(row: Mapping[str, Any]) -> Row:
    unit, limit, spent = _amounts(row)
    percent = round(Decimal(spent) * 100 / limit, 1) if limit else None
    left = {
        "remaining": None if limit is None else in_unit(limit - spent, unit),
        "reserved": row.get(f"reserved_{unit}") or Decimal(0),
    }
    return {**row, "unit": unit, **left, **_NOTHING, "used_percent": percent}


def _ahead(
    row: Mapping[str, Any],
    now: datetime,
    history: Mapping[Subject, HourSums],
    zones: Mapping[str, str | None],
) -> Row:
    unit, limit, spent = _amounts(row)
    sums = history.get(Subject(row["subject_kind"], row["subject_id"]), {})
    zone = zones.get(row["budget_id"]) or "UTC"
    start, end = row["period_start"], row["period_end"]
    known = history_in(unit, sums)
    period = (start, end) if end is not None else (_first(known, now), now + _FAR)
    found = project(known, period, now, spent, limit, zone)
    if end is None:
        return {"crosses_at": found.crosses_at}
    return _said(unit, found, spent, now - start, end - now)


def _first(known: Hourly, now: datetime) -> datetime:
    return datetime.fromtimestamp(min(known), UTC) if known else now - HISTORY


def _said(
    unit: Unit, found: Projection, spent: int, past: timedelta, left: timedelta
) -> Row:
    days = max(past / _DAY, 1.0)  # before a day is over its average is what it has
    return {
        "days_left": round(Decimal(left / _DAY), 2),
        "average_a_day": amount_in(unit, round(spent / days)),
        "projected": amount_in(unit, found.expected),
        "projected_low": amount_in(unit, found.low),
        "projected_high": amount_in(unit, found.high),
        "crosses_at": found.crosses_at,
    }
