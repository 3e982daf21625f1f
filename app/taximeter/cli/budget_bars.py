"""Budgets as bars, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from taximeter_schemas.errors import subject_words
from taximeter_schemas.subjects import Subject

__all__ = ["bar", "print_bars"]

_WIDTH: Final = 20
_INDENT: Final = (0, 0, 0, 2)
_STYLES: Final = {"within": "green", "warning": "yellow", "exceeded": "bold red"}


def print_bars(
    rows: Sequence[Mapping[str, Any]], console: Console | None = None
) -> None:
    """Print how budgets stand: which one, how full it is, and where it is going."""
    out = console or Console()
    for row in rows:
        out.print(_which(row))
        for line in (_standing(row), Text(_outlook(row))):
            if line:
                out.print(Padding(line, _INDENT, expand=False))


def bar(spent: Decimal, limit: Decimal) -> str:
    """Return a bar for a share, full when all is spent.

    >>> bar(Decimal(5), Decimal(20))
    '█████░░░░░░░░░░░░░░░'
    """
    share = min(spent / limit, Decimal(1)) if limit else Decimal(spent > 0)
    full = int(max(share, Decimal(0)) * _WIDTH)
    return "█" * full + "░" * (_WIDTH - full)


def _which(row: Mapping[str, Any]) -> Text:
    period = _period(row["period"], row["period_start"])
    return Text.assemble((row["budget_id"], "bold"), f"  {_whom(row)}, {period}")


def _standing(row: Mapping[str, Any]) -> Text:
    spent, limit = _spent(row), _limit(row)
    if limit is None:
        return Text(f"{_amount(row, spent)}, no limit")
    style = _STYLES.get(row["state"], "")
    amounts = f"  {_number(row, spent)} of {_amount(row, limit)}, {_left(row)}"
    return Text.assemble((_used(spent, limit), style), amounts)


def _outlook(row: Mapping[str, Any]) -> str:
    """Return what is expected, and what is known to be missing in it."""
    unpriced = row["unpriced_calls"]
    missing = f"{unpriced:,} without a price" if unpriced else ""
    said = (_reached(row), _at_the_end(row), missing)
    return "; ".join(words for words in said if words)


def _spent(row: Mapping[str, Any]) -> Decimal:
    unit = row.get("unit", "usd")
    return Decimal(row["spent_usd"] if unit == "usd" else row[unit])


def _limit(row: Mapping[str, Any]) -> Decimal | None:
    limit = row.get(f"limit_{row.get('unit', 'usd')}")
    return None if limit is None else Decimal(limit)


def _amount(row: Mapping[str, Any], amount: Decimal) -> str:
    """Return an amount in the budget's unit."""
    unit = row.get("unit", "usd")
    return f"{_number(row, amount)} {'USD' if unit == 'usd' else unit}"


def _number(row: Mapping[str, Any], amount: Decimal) -> str:
    return f"{amount:,.2f}" if row.get("unit", "usd") == "usd" else f"{amount:,.0f}"


def _whom(row: Mapping[str, Any]) -> str:
    subject = Subject(row["subject_kind"], row["subject_id"])
    return subject_words((subject.kind, *subject.values))


def _left(row: Mapping[str, Any]) -> str:
    """Return what remains of the limit, and how much of that is reserved."""
    remaining, reserved = Decimal(row["remaining"]), row.get("reserved")
    held = f" ({_number(row, Decimal(reserved))} reserved)" if reserved else ""
    if remaining < 0:
        return f"{_number(row, -remaining)} too much{held}"
    return f"{_number(row, remaining)} left{held}"


def _used(spent: Decimal, limit: Decimal) -> str:
    percent = f"{spent * 100 / limit:6.1f} %" if limit else "       - "
    return f"{bar(spent, limit)} {percent}"


def _at_the_end(row: Mapping[str, Any]) -> str:
    """Return what is expected, with its range, and how many days are left till then."""
    expected = row.get("projected")
    if expected is None:
        return ""
    low, high, left = row["projected_low"], row["projected_high"], row["days_left"]
    range_ = f"{_number(row, low)} to {_number(row, high)}"
    return f"at the end, in {left:.1f} days, {_amount(row, expected)} ({range_})"


def _reached(row: Mapping[str, Any]) -> str:
    at: datetime | None = row.get("crosses_at")
    return "" if at is None else f"limit reached {at:%Y-%m-%d %H:%M}Z"


def _period(period: str, start: datetime | None) -> str:
    return "in total" if start is None else f"{period} from {start:%Y-%m-%d %H:%M}Z"
