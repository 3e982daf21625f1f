"""Rows on stdout: a table for people, JSON or CSV for programs.

Exact amounts stay exact: a decimal is printed digit by digit, and in JSON it is a
string, since JSON readers would make a float of it.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Final, Literal, cast

import click

__all__ = [
    "FORMATS",
    "REPORT_FORMATS",
    "Format",
    "jsonable",
    "write_object",
    "write_rows",
]

Format = Literal["table", "json", "csv", "md"]
FORMATS: Final = ("table", "json", "csv")
REPORT_FORMATS: Final = (*FORMATS, "md")
Row = Mapping[str, object]

_NUMBERS = (int, float, Decimal)


def write_rows(
    rows: Iterable[Row],
    output: Format,
    columns: Sequence[str] | None = None,
    title: str | None = None,
) -> None:
    """Print rows.

    Args:
        rows: each a mapping from column to value.
        output: table, json (an array of objects), csv (with a head line) or md.
        columns: in which order; without it, as the first row has them.
        title: stands above a table in a terminal.
    """
    kept = list(rows)
    names = list(columns or (kept[0] if kept else ()))
    if output == "json":
        chosen = [{name: row.get(name) for name in names} for row in kept]
        click.echo(_json(chosen))
    elif output == "csv":
        click.echo(_csv(kept, names), nl=False)
    elif output == "md":
        click.echo(_markdown(kept, names), nl=False)
    elif sys.stdout.isatty():
        _print_rich(kept, names, title)
    else:
        click.echo(_aligned(kept, names), nl=False)


def write_object(one: Row) -> None:
    """Print one JSON object."""
    click.echo(_json(one))


def jsonable(value: object) -> object:
    """Return what stands for a value in JSON.

    >>> jsonable(Decimal("0E-12")), jsonable(Decimal("1.50"))
    ('0.000000000000', '1.50')
    """
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, set | frozenset):
        return sorted(map(str, cast("set[object]", value)))
    return str(value)


def _json(value: object) -> str:
    return json.dumps(value, default=jsonable, ensure_ascii=False, indent=2)


def _text(value: object) -> str:
    """Return what stands for a value in a cell.

    >>> from uuid import UUID
    >>> _text(None), _text({"team": "growth"}), _text(UUID(int=1))[-3:]
    ('', '{"team": "growth"}', '001')
    """
    if value is None:
        return ""
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, default=jsonable, ensure_ascii=False)
    return str(value if isinstance(value, str | bool | int) else jsonable(value))


def _csv(rows: Sequence[Row], names: Sequence[str]) -> str:
    if not names:
        return ""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_text(row.get(name)) for name in names] for row in rows)
    return out.getvalue()


def _is_numeric(rows: Sequence[Row], name: str) -> bool:
    values = [row.get(name) for row in rows]
    return all(value is None or isinstance(value, _NUMBERS) for value in values)


def _aligned(rows: Sequence[Row], names: Sequence[str]) -> str:
    """Return a plain table: numbers to the right, all else to the left."""
    if not names:
        return ""
    cells = [[_line(row.get(name)) for name in names] for row in rows]
    columns = zip(*[names, *cells], strict=True)
    widths = [max(map(len, column)) for column in columns]
    right = [bool(rows) and _is_numeric(rows, name) for name in names]
    lines = [
        "  ".join(
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in [list(names), *cells]
    ]
    return "\n".join(lines) + "\n"


def _markdown(rows: Sequence[Row], names: Sequence[str]) -> str:
    r"""Return a Markdown table: numbers to the right, all else to the left.

    >>> print(_markdown([{"model": "a|b", "calls": 5}], ["model", "calls"]), end="")
    | model | calls |
    | :-- | --: |
    | a\|b | 5 |
    """
    if not names:
        return ""
    right = [bool(rows) and _is_numeric(rows, name) for name in names]
    marks = ["--:" if is_right else ":--" for is_right in right]
    cells = [[_line(row.get(n)).replace("|", "\\|") for n in names] for row in rows]
    lines = [f"| {' | '.join(line)} |" for line in [list(names), marks, *cells]]
    return "\n".join(lines) + "\n"


def _line(value: object) -> str:
    return " ".join(_text(value).split("\n"))


def _print_rich(rows: Sequence[Row], names: Sequence[str], title: str | None) -> None:
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(title=title, title_justify="left", header_style="bold")
    for name in names:
        numeric = bool(rows) and _is_numeric(rows, name)
        side: Literal["left", "right"] = "right" if numeric else "left"
        # Half a name is of no use to anybody: a long one goes on in the next line.
        table.add_column(name, justify=side, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_text(row.get(name))) for name in names))
    Console().print(table)
