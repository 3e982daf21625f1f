"""Budgets as bars, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from taximeter_schemas.errors import subject_words
from taximeter_schemas.subjects import Subject

__all__ = ["bar", "print_bars"]

_WIDTH: Final = 20
_STYLES: Final = {"within": "green", "warning": "yellow", "exceeded": "bold red"}


def print_bars(
    rows: Sequence[Mapping[str, Any]], console: Console | None = None
) -> None:
    """Print how budgets stand, one line for each."""
    table = Table(title="Budgets", title_justify="left", header_style="bold")
    for name in ("budget", "for", "period"):
        table.add_column(name)
    table.add_column("used", no_wrap=True)
    for name in ("spent", "limit", "left", "at the end", "unpriced calls"):
        table.add_column(name, justify="right")
    table.add_column("reached")
    for row in rows:
        table.add_row(
            Text(row["budget_id"]),
            Text(_whom(row)),
            Text(_period(row["period"], row["period_start"])),
            Text(_used(row), style=_STYLES.get(row["state"], "")),
            Text(_amount(row, _spent(row))),
            Text(_amount(row, _limit(row))),
            Text(_left(row)),
            Text(_at_the_end(row)),
            Text(str(row["unpriced_calls"] or "")),
            Text(_reached(row)),
        )
    (console or Console()).print(table)


def bar(spent: Decimal, limit: Decimal) -> str:
    """Return a bar for a share, full when all is spent.

    >>> bar(Decimal(5), Decimal(20))
    '█████░░░░░░░░░░░░░░░'
    """
    share = min(spent / limit, Decimal(1)) if limit else Decimal(spent > 0)
    full = int(max(share, Decimal(0)) * _WIDTH)
    return "█" * full + "░" * (_WIDTH - full)


def _spent(row: Mapping[str, Any]) -> Decimal:
    unit = row.get("unit", "usd")
    return Decimal(row["spent_usd"] if unit == "usd" else row[unit])


def _limit(row: Mapping[str, Any]) -> Decimal | None:
    limit = row.get(f"limit_{row.get('unit', 'usd')}")
    return None if limit is None else Decimal(limit)


def _amount(row: Mapping[str, Any], amount: Decimal | None) -> str:
    """Return an amount in the budget's unit; of what has no limit, nothing."""
    if amount is None:
        return ""
    unit = row.get("unit", "usd")
    return f"{amount:,.2f} USD" if unit == "usd" else f"{amount:,.0f} {unit}"


def _whom(row: Mapping[str, Any]) -> str:
    subject = Subject(row["subject_kind"], row["subject_id"])
    return subject_words((subject.kind, *subject.values))


def _left(row: Mapping[str, Any]) -> str:
    """Return what remains of the limit, and how much of that is reserved."""
    remaining, reserved = row.get("remaining"), row.get("reserved")
    held = f" ({_amount(row, Decimal(reserved))} reserved)" if reserved else ""
    return _amount(row, remaining) + held


def _used(row: Mapping[str, Any]) -> str:
    spent, limit = _spent(row), _limit(row)
    if limit is None:
        return ""
    percent = f"{spent * 100 / limit:6.1f} %" if limit else "       - "
    return f"{bar(spent, limit)} {percent}"


def _at_the_end(row: Mapping[str, Any]) -> str:
    """Return what is expected, with its range, and how many days are left till then."""
    expected = row.get("projected")
    if expected is None:
        return ""
    low, high, left = row["projected_low"], row["projected_high"], row["days_left"]
    range_ = f"{_amount(row, low).split()[0]} to {_amount(row, high).split()[0]}"
    amounts = f"{_amount(row, expected)} ({range_})"
    return f"{amounts} in {left:.1f} d"


def _reached(row: Mapping[str, Any]) -> str:
    at: datetime | None = row.get("crosses_at")
    return "" if at is None else f"{at:%Y-%m-%d %H:%M}Z"


def _period(period: str, start: datetime | None) -> str:
    return period if start is None else f"{period} from {start:%Y-%m-%d %H:%M}Z"
