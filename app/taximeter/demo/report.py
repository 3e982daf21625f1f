"""The demo's cost report: one look for terminals of any width, plain in a pipe."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from taximeter_sinks.queries import Ledger, SpendRow

__all__ = ["print_report"]

_WIDE: Final = 72
_BAR: Final = 12
_TOP_USERS: Final = 10
_TABLES: Final = (
    ("model", "By model", None),
    ("user", "By user, the top ten", _TOP_USERS),
    ("project", "By project", None),
    ("day", "By day (UTC)", None),
)


def print_report(console: Console, ledger: Ledger) -> None:
    """Print what the ledger says was spent: in total and by what."""
    total = ledger.totals()
    console.print()
    console.print(_total(total), soft_wrap=not console.is_terminal)
    for dimension, title, limit in _TABLES:
        rows = ledger.spend((dimension,), limit=limit)
        console.print()
        console.print(Text(title, style="bold"))
        console.print(_table(console, dimension, rows, _cost(total)))


def _total(total: SpendRow) -> Text:
    tokens = total.input_tokens + total.output_tokens
    line = Text("Total  ", style="bold")
    line.append(f"{_cost(total):.12f} USD", style="bold green")
    line.append(f"  for {total.calls:,} calls and {tokens:,} tokens", style="not bold")
    return line


def _cost(row: SpendRow) -> Decimal:
    return row.cost_usd or Decimal(0)


def _table(
    console: Console, dimension: str, rows: Sequence[SpendRow], total: Decimal
) -> Table:
    wide, pretty = console.width >= _WIDE, console.is_terminal
    table = Table(
        box=box.SIMPLE_HEAD if pretty else None,
        pad_edge=False,
        show_edge=False,
        header_style="dim" if pretty else "",
    )
    table.add_column(dimension, no_wrap=True, min_width=22)
    for name in ("calls", *(("tokens in", "tokens out") if wide else ()), "USD"):
        table.add_column(name, justify="right", no_wrap=True, min_width=10)
    table.add_column("share", justify="right", no_wrap=True)
    if pretty and wide:
        table.add_column("", no_wrap=True, min_width=_BAR)
    for row in rows:
        table.add_row(*_cells(row, total, wide, pretty))
    return table


def _cells(row: SpendRow, total: Decimal, wide: bool, pretty: bool) -> list[Text]:
    share = _cost(row) / total if total else Decimal(0)
    tokens = [f"{row.input_tokens:,}", f"{row.output_tokens:,}"] if wide else []
    texts = [str(row.keys[0]), f"{row.calls:,}", *tokens]
    cells = [Text(text) for text in [*texts, f"{_cost(row):.6f}", f"{share:.1%}"]]
    return [*cells, Text(_bar(share), style="cyan")] if pretty and wide else cells


def _bar(share: Decimal) -> str:
    """Return a bar that is full at a half, since no share here comes near the whole.

    >>> _bar(Decimal("0.25")), len(_bar(Decimal("0.9")))
    ('━━━━━━', 12)
    """
    return "━" * min(_BAR, round(share * 2 * _BAR))
