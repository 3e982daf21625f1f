"""Budgets as bars, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

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
    for name in ("spent USD", "limit USD", "at the end", "unpriced calls"):
        table.add_column(name, justify="right")
    table.add_column("reached")
    for row in rows:
        table.add_row(
            Text(row["budget_id"]),
            Text(f"{row['subject_kind']} {row['subject_id']}".strip()),
            Text(_period(row["period"], row["period_start"])),
            Text(_used(row), style=_STYLES.get(row["state"], "")),
            Text(f"{row['spent_usd']:,.2f}"),
            Text(f"{row['limit_usd']:,.2f}"),
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


def _used(row: Mapping[str, Any]) -> str:
    spent, limit = row["spent_usd"], row["limit_usd"]
    percent = f"{spent * 100 / limit:6.1f} %" if limit else "       - "
    return f"{bar(spent, limit)} {percent}"


def _at_the_end(row: Mapping[str, Any]) -> str:
    """Return what is expected, with its range, and how many days are left till then."""
    expected = row.get("projected")
    if expected is None:
        return ""
    low, high, left = row["projected_low"], row["projected_high"], row["days_left"]
    amounts = f"{expected:,.2f} ({low:,.2f}–{high:,.2f})"  # noqa: RUF001
    return f"{amounts} in {left:.1f} d"


def _reached(row: Mapping[str, Any]) -> str:
    at: datetime | None = row.get("crosses_at")
    return "" if at is None else f"{at:%Y-%m-%d %H:%M}Z"


def _period(period: str, start: datetime | None) -> str:
    return period if start is None else f"{period} from {start:%Y-%m-%d %H:%M}Z"
