"""`taximeter sql`: the ledger asked in SQL, read-only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import click

from taximeter.cli.options import Format, data_option, format_option
from taximeter.cli.output import write_rows
from taximeter.reading import open_ledger
from taximeter.state import DataDir

__all__ = ["command"]


@click.command()
@click.argument("query", metavar="QUERY|-")
@data_option
@format_option
def command(query: str, data: Path, output: Format) -> None:
    """Ask the ledger in SQL: one SELECT, while the sink writes or while it is stopped.

    With - the query is read from standard input. docs/sql.md has the tables.
    """
    text = click.get_text_stream("stdin").read() if query == "-" else query
    with open_ledger(DataDir(data)) as ledger:
        answer = ledger.sql(text)
    names = _unlike(answer.columns)
    rows = (dict(zip(names, map(_plain, row), strict=True)) for row in answer.rows)
    write_rows(rows, output, names)


def _unlike(columns: Sequence[str]) -> list[str]:
    """Return names for columns that a query gave the same name to.

    >>> _unlike(["n", "n", "m"])
    ['n', 'n_2', 'm']
    """
    names: list[str] = []
    for column in columns:
        name, number = column, 1
        while name in names:
            number += 1
            name = f"{column}_{number}"
        names.append(name)
    return names


def _plain(value: object) -> object:
    """Return a value that JSON has a notation for.

    >>> _plain({1: [float("inf")]})
    {'1': ['inf']}
    """
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        items = cast("dict[object, object]", value).items()
        return {str(key): _plain(inner) for key, inner in items}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in cast("Sequence[object]", value)]
    return value
