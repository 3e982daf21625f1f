"""An answer of DuckDB as columns of plain values, several times as fast as by rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

__all__ = ["Columns", "as_columns"]

_MONEY_PLACES: Final = 12

Columns = dict[str, list[Any]]
"""The values of each column, by its name; amounts of money in pico-dollars."""


def as_columns(asked: duckdb.DuckDBPyConnection) -> Columns:
    """Take an answer out of the connection that has asked."""
    table: pa.Table = asked.to_arrow_table()
    return {name: _values(table.column(name)) for name in table.column_names}


def _values(column: pa.ChunkedArray) -> list[Any]:
    import pyarrow as pa  # noqa: PLC0415 - what asks for rows need not wait for it

    if not pa.types.is_decimal(column.type) or column.type.scale != _MONEY_PLACES:
        values: list[Any] = column.to_pylist()
        return values
    return [pico for chunk in column.chunks for pico in _pico(chunk)]


def _pico(usd: pa.Array) -> list[int]:
    """Return amounts of 12 places in pico-dollars: the digits as they are.

    >>> import pyarrow as pa
    >>> from decimal import Decimal
    >>> money = pa.decimal128(38, 12)
    >>> _pico(pa.array([Decimal("-0.000000000012"), Decimal(10**14)], money))
    [-12, 100000000000000000000000000]
    """
    import pyarrow as pa  # noqa: PLC0415

    whole = pa.decimal128(usd.type.precision, 0)
    pico = pa.Array.from_buffers(whole, len(usd), usd.buffers(), offset=usd.offset)
    try:
        values: list[int] = pico.cast(pa.int64()).to_pylist()
    except pa.ArrowInvalid:  # more than nine million dollars for one call
        return [int(value) for value in pico.to_pylist()]
    return values
