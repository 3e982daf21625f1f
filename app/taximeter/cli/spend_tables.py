"""Rows of spend as people read them: what fits the terminal, and words for no value.

A pipe has room for every column. A terminal is given as many as it is wide, the least
needed left out first, and says so.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final, Literal

import click

from taximeter.cli.output import Format, write_rows
from taximeter.logs import say

__all__ = ["for_people", "trimmed", "write_section", "write_spend"]

Row = Mapping[str, object]

_NO_VALUE: Final = {
    "cost_usd": "unpriced",
    "list_cost_usd": "none",
    "markup_usd": "-",
}
_AMOUNT: Final = "_usd"
_DERIVED: Final = ("average_usd", "usd_per_1k_tokens", "usd_per_day")
_LEAST_NEEDED: Final = (
    "ours_calls",
    "theirs_calls",
    "ours_tokens",
    "theirs_tokens",
    "event_id",
    "duration_ms",
    "list_cost_usd",
    "markup_usd",
    "unlisted_calls",
    "first_at",
    "provider",
    "status",
    "p95_usd",
    "median_usd",
    "output_tokens",
    "input_tokens",
    "usd_per_1k_tokens",
    "success_percent",
    "average_usd",
    "difference_percent",
    "unpriced_calls",
    "since",
    "last_at",
    "project",
    "calls",
)
_SHORT: Final = {
    "cost_usd": "USD",
    "list_cost_usd": "list USD",
    "usd_per_1k_tokens": "USD per 1k tokens",
    "share_percent": "%",
    "difference_percent": "%",
    "success_percent": "ok %",
    "p95_usd": "95% below USD",
}
_PLACES, _CENTS = 12, 2
_GAP: Final = 2
_LONGEST: Final = 40


def write_spend(
    rows: Sequence[Row], output: Format, columns: Sequence[str], title: str = ""
) -> None:
    """Print rows of spend, as a table for people or as they are for programs."""
    if output not in {"table", "md"}:
        write_rows(rows, output, columns)
    elif output == "table" and sys.stdout.isatty():
        _print_fitting(rows, columns, title)
    else:
        write_rows(for_people(rows), output, columns)


def write_section(
    title: str, rows: Sequence[Row], output: Format, columns: Sequence[str]
) -> None:
    """Print a table with its title above it."""
    if output == "md":
        click.echo(f"## {title}\n")
    elif not sys.stdout.isatty():
        click.echo(title)
    write_spend(rows, output, columns, title)
    click.echo()


def for_people(
    rows: Sequence[Row], *, exact: bool = True
) -> Iterator[dict[str, object]]:
    """Say what a cell without a value means, with amounts under one another.

    Args:
        rows: of one table.
        exact: all twelve places; else no more than the column needs, and what is
            rounded anyway to six.
    """
    names = [name for row in rows[:1] for name in row if _is_amount(name)]
    cells = {name: _amounts(name, rows, exact=exact) for name in names}
    for number, row in enumerate(rows):
        said = {name: _said(name, value) for name, value in row.items()}
        yield said | {name: cells[name][number] for name in names}


def trimmed(amounts: Iterable[Decimal]) -> int:
    """Return how many places these amounts need, two of them at least.

    >>> trimmed([Decimal("1.500000000000"), Decimal("0.125000000000")])
    3
    """
    exponents = [a.normalize().as_tuple().exponent for a in amounts if a]
    return max([_CENTS, *(-e for e in exponents if isinstance(e, int))])


def _amounts(name: str, rows: Sequence[Row], *, exact: bool) -> list[str]:
    values = [row[name] for row in rows]
    known = [value for value in values if isinstance(value, Decimal)]
    if not exact and name in _DERIVED:
        known = [value.quantize(Decimal("1e-6"), ROUND_HALF_EVEN) for value in known]
        if not all(known):
            known = [value for value in values if isinstance(value, Decimal)]
    places = _PLACES if exact else trimmed(known)
    texts = [
        f"{value:.{places}f}"
        if isinstance(value, Decimal)
        else _NO_VALUE.get(name, "-")
        for value in values
    ]
    width = max(map(len, texts), default=0)
    return [text.rjust(width) for text in texts]


def _said(name: str, value: object) -> object:
    if value is None:
        return "-" if name.endswith(("_percent", "_day", "since")) else "(none)"
    return value


def _is_amount(name: str) -> bool:
    return name.endswith(_AMOUNT) or name in _DERIVED


def _print_fitting(rows: Sequence[Row], columns: Sequence[str], title: str) -> None:
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(highlight=False)
    told = list(for_people(rows, exact=False))
    texts = [{name: _text(row.get(name)) for name in columns} for row in told]
    kept = _that_fit(texts, columns, console.width)
    table = Table(
        title=title or None,
        title_justify="left",
        title_style="bold",
        header_style="dim",
        box=None,
        pad_edge=False,
    )
    for name in kept:
        side: Literal["left", "right"] = "right" if _is_number(name, rows) else "left"
        table.add_column(Text(_label(name)), justify=side, vertical="bottom")
        table.columns[-1].no_wrap = True
    for row in texts:
        table.add_row(*(Text(row[name]) for name in kept))
    console.print(table)
    if len(kept) < len(columns):
        say(
            f"{len(columns) - len(kept)} more columns in a wider terminal, "
            "in a pipe, and with --format csv"
        )


def _is_number(name: str, rows: Sequence[Row]) -> bool:
    return _is_amount(name) or any(
        isinstance(row.get(name), int | Decimal) for row in rows
    )


def _that_fit(
    rows: Sequence[Mapping[str, str]], columns: Sequence[str], width: int
) -> list[str]:
    """Return the columns that a line has room for, the least needed left out first."""
    widths = {
        name: max([_longest_word(name), *(len(row[name]) for row in rows)])
        for name in columns
    }
    kept = list(columns)
    for name in _LEAST_NEEDED:
        if sum(widths[n] + _GAP for n in kept) - _GAP <= width:
            break
        if name in kept:
            kept.remove(name)
    return kept


def _label(name: str) -> str:
    """Return a column's head, a word a line.

    >>> _label("unpriced_calls").split()
    ['unpriced', 'calls']
    """
    words = _SHORT.get(name, name.replace("_usd", " USD").replace("_", " "))
    return words.replace(" ", "\n")


def _longest_word(name: str) -> int:
    return max(map(len, _label(name).split()))


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, str) and len(value) > _LONGEST:
        return f"{value[: _LONGEST - 1]}…"
    if isinstance(value, bool) or not isinstance(value, int):
        return str(value)
    return f"{value:,}"
