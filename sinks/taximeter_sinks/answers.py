"""Answers of the ledger for a notebook: as relation, Arrow table or data frame.

Amounts stay exact in each of them: DuckDB's and Arrow's decimals, Polars' decimals, and
Python's in pandas. pandas and Polars are imported when they are asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pyarrow

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

__all__ = ["Answer"]


class Answer:
    """What the ledger said, held as an Arrow table.

    >>> answer = Answer(pyarrow.table({"model": ["a", "b"], "calls": [1, 2]}))
    >>> answer.relation().filter("calls > 1").fetchall()
    [('b', 2)]
    >>> answer
    <Answer: 2 rows of model, calls>
    """

    def __init__(self, table: pyarrow.Table) -> None:
        self._table = table

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __repr__(self) -> str:
        return f"<Answer: {len(self):,} rows of {', '.join(self._table.column_names)}>"

    def arrow(self) -> pyarrow.Table:
        """Return it as an Arrow table."""
        return self._table

    def relation(self) -> duckdb.DuckDBPyRelation:
        """Return it as a relation of a DuckDB of its own, in memory."""
        return duckdb.connect().from_arrow(self._table)

    def pandas(self) -> pd.DataFrame:
        """Return it as a pandas data frame, amounts as Python's decimals."""
        frame: pd.DataFrame = self._table.to_pandas()
        return frame

    def polars(self) -> pl.DataFrame:
        """Return it as a Polars data frame.

        Raises:
            ModuleNotFoundError: Polars is not installed.
        """
        import polars as pl  # noqa: PLC0415 - only who asks for it has it

        frame = pl.from_arrow(self._table)
        assert isinstance(frame, pl.DataFrame)
        return frame

    def rows(self) -> list[dict[str, object]]:
        """Return it as dictionaries."""
        rows: list[dict[str, object]] = self._table.to_pylist()
        return rows
