"""Rows and Arrow tables as files of tables: CSV and Parquet, amounts exact."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pyarrow
from pyarrow import csv, parquet

__all__ = ["arrow_table", "write_csv", "write_parquet"]

_TYPES: Final = (
    (Decimal, pyarrow.decimal128(38, 12)),
    (datetime, pyarrow.timestamp("us", tz="UTC")),
    (date, pyarrow.date32()),
    (bool, pyarrow.bool_()),
    (int, pyarrow.int64()),
)


def arrow_table(
    rows: Iterable[Mapping[str, object]], columns: Sequence[str]
) -> pyarrow.Table:
    """Return rows as a table; a column of nothing but None is one of texts.

    >>> arrow_table([{"usd": Decimal(1)}], ["usd"]).schema.field("usd").type
    Decimal128Type(decimal128(38, 12))
    """
    kept = list(rows)
    types = {name: _type_of(row[name] for row in kept) for name in columns}
    schema = pyarrow.schema(types.items())
    return pyarrow.Table.from_pylist(kept, schema=schema)


def write_csv(path: Path, table: pyarrow.Table) -> None:
    """Write a table as CSV, with a head line; quoted is what has to be.

    Decimals would be written like 1E-12, which not every reader takes for a number:
    they have to be texts before.
    """
    csv.write_csv(table, str(path), csv.WriteOptions(quoting_style="needed"))


def write_parquet(path: Path, table: pyarrow.Table) -> None:
    """Write a table as Parquet."""
    parquet.write_table(table, str(path), compression="zstd")


def _type_of(values: Iterable[object]) -> Any:  # noqa: ANN401 - pyarrow has no types
    known = next((value for value in values if value is not None), None)
    for python, arrow in _TYPES:
        if isinstance(known, python):
            return arrow
    return pyarrow.string()
