"""What the page calls things: dimensions, stretches, budgets, alerts. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Final, NamedTuple

from taximeter.page.shown import count, moment, money
from taximeter.page.view import RANGES, View
from taximeter.reports.figures import Row, amount, percent
from taximeter_sinks.dimensions import TAG

__all__ = [
    "STATE_WORDS",
    "Bar",
    "amount_of",
    "bar_of",
    "custom_stretch",
    "in_zone",
    "limit_of",
    "period_of",
    "severity_of",
    "share_of",
    "subject_of",
    "title_of",
    "used_of",
    "words_of",
]

STATE_WORDS: Final = {
    "within": "within",
    "warning": "near its limit",
    "exceeded": "exceeded",
}
"""How a budget stands."""

_LOUD: Final = {"BudgetThresholdCrossed", "SpendAnomalyDetected"}
_QUIET: Final = {"SpendRecovered", "DigestDue"}
_MOMENT: Final = re.compile(r"(\d{4}-\d{2}-\d{2} \d{2}:\d{2})Z")
_FULL: Final = 100
_PLACES: Final = Decimal("0.1")
_USED: Final = {"tokens": "tokens", "calls": "calls"}


class Bar(NamedTuple):
    """A budget's bar, in percent of its width, and in words."""

    spent: Decimal
    projected: Decimal
    limit: Decimal
    words: str


def title_of(dimension: str) -> str:
    """Return a dimension, or a stretch of time, as a heading.

    >>> title_of("model"), title_of("tag:team")
    ('Model', 'Team')
    """
    return dimension.removeprefix(TAG).replace("_", " ").capitalize()


def words_of(view: View) -> str:
    """Return which stretch a view is of.

    >>> words_of(View())
    'in the last 7 days'
    >>> words_of(View(time={"from": "2026-11-01"}))
    'since 2026-11-01'
    """
    if last := view.time.get("last"):
        return f"in the last {RANGES.get(last, last)}"
    if month := view.time.get("month"):
        return f"in {month}"
    start, end = view.time.get("from"), view.time.get("to")
    if start and end:
        return f"from {_point(start)} until {_point(end)}"
    return f"since {_point(start)}" if start else f"until {_point(end or '')}"


def custom_stretch(view: View) -> str | None:
    """Return what the button for other stretches says of the one that is shown."""
    return None if view.time.get("last") in RANGES else words_of(view)


def share_of(row: Row, total: Row) -> Decimal | None:
    """Return how much of a total a row is, in percent."""
    return percent(amount(row["cost_usd"]), amount(total["cost_usd"]))


def subject_of(row: Mapping[str, Any]) -> str:
    """Return whom a budget is about, with a comma where that needs saying.

    >>> subject_of({"subject_kind": "project", "subject_id": "search"})
    'project search, '
    """
    if row["subject_kind"] == "all":
        return ""
    return f"{row['subject_kind']} {row['subject_id']}, "


def period_of(period: str) -> str:
    """Return a budget's period in words.

    >>> period_of("month"), period_of("total"), period_of("rolling_day")
    ('each month', 'in all', 'rolling day')
    """
    if period == "total":
        return "in all"
    return period.replace("_", " ") if "_" in period else f"each {period}"


def used_of(row: Mapping[str, Any]) -> str:
    """Return what was used, in the unit of the budget's limit."""
    if row["unit"] in _USED:
        return f"{count(row[_USED[row['unit']]] or 0)} {row['unit']}"
    return money(row["spent_usd"])


def limit_of(row: Mapping[str, Any]) -> str:
    """Return a budget's limit in its unit, or nothing where it has none."""
    if row["unit"] in _USED:
        return count(row[f"limit_{row['unit']}"])
    return "" if row["limit_usd"] is None else money(row["limit_usd"])


def amount_of(row: Mapping[str, Any], name: str) -> str:
    """Return an amount of the outlook, in the unit of the budget's limit."""
    return count(int(row[name])) if row["unit"] in _USED else money(row[name])


def bar_of(row: Mapping[str, Any]) -> Bar | None:
    """Return the bar of a budget that has a limit.

    The bar ends where the limit is, or where the spend, or its projection, is beyond.

    >>> bar_of({"used_percent": Decimal(50), "projected": Decimal(200), "unit": "usd",
    ...         "limit_usd": Decimal(100), "spent_usd": Decimal(50)})[:3]
    (Decimal('25.0'), Decimal('100.0'), Decimal('50.0'))
    """
    used = row["used_percent"]
    if used is None:
        return None
    ahead = _ahead(row)
    whole = max(Decimal(_FULL), used, ahead or Decimal(0))
    words = f"{used}% used"
    if ahead is not None:
        words += f", heading for {ahead.quantize(Decimal(1), ROUND_HALF_EVEN)}%"
    return Bar(
        _part(used, whole), _part(ahead or used, whole), _part(_FULL, whole), words
    )


def in_zone(text: str, zone: str) -> str:
    """Return words with the moments in them as the clocks of a zone have them.

    >>> in_zone("spent 9 USD (day from 2026-11-21 23:00Z)", "Europe/Berlin")
    'spent 9 USD (day from 22 Nov 2026, 00:00)'
    """
    return _MOMENT.sub(lambda found: moment(_utc(found[1]), zone), text)


def severity_of(row: Mapping[str, Any]) -> str:
    """Return how loud an alert is shown: `bad`, `warn` or `calm`."""
    kind = row["event_type"]
    over = (row["threshold_percent"] or 0) >= _FULL
    if kind in _QUIET:
        return "calm"
    return (
        "bad"
        if kind in _LOUD and (over or kind != "BudgetThresholdCrossed")
        else "warn"
    )


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _ahead(row: Mapping[str, Any]) -> Decimal | None:
    limit = row["limit_usd"] if row["unit"] == "usd" else row[f"limit_{row['unit']}"]
    if row["projected"] is None or not limit:
        return None
    return Decimal(row["projected"]) * _FULL / Decimal(limit)


def _part(value: Decimal | int, whole: Decimal) -> Decimal:
    return (Decimal(value) * _FULL / whole).quantize(_PLACES, ROUND_HALF_EVEN)


def _point(text: str) -> str:
    return text.replace("T", " ").removesuffix("Z") + (" UTC" if "T" in text else "")
