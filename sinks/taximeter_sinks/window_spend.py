"""The spend of subjects by the window, for budgets that are compared in one process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

import duckdb

from taximeter_schemas.budgets import WINDOW_SECONDS
from taximeter_schemas.subjects import SubjectKind, dimensions_of, subject_of
from taximeter_sinks.charge_sums import CALLS, TOKENS, unpriced_calls
from taximeter_sinks.dimensions import within
from taximeter_sinks.hourly import column_of
from taximeter_sinks.roll_ups import ROLLED_SINCE

__all__ = ["WindowSpend", "window_spend"]

_WINDOW: Final = f"epoch_us(occurred_at) // {WINDOW_SECONDS}000000 * {WINDOW_SECONDS}"


class WindowSpend(NamedTuple):
    """What a subject spent in one window; what has no price is not in the cost."""

    kind: SubjectKind
    id: str
    window_start: int
    cost_usd: Decimal
    calls: int
    unpriced_calls: int
    tokens: int


def window_spend(
    ledger: duckdb.DuckDBPyConnection, kinds: Iterable[SubjectKind], start: datetime
) -> Iterator[WindowSpend]:
    """Yield the spend of all subjects of these kinds from a moment on, in order.

    Args:
        ledger: an open ledger of the newest version.
        kinds: of which subjects.
        start: the earliest event time.
    """
    for kind in kinds:
        dimensions = dimensions_of(kind)
        for values, window, *sums in ledger.execute(_query(kind, start)).fetchall():
            named = dict(zip(dimensions, values, strict=True))
            yield WindowSpend(kind, subject_of(named).id, int(window), *sums)


def _query(kind: SubjectKind, start: datetime) -> str:
    columns = [column_of(dimension) for dimension in dimensions_of(kind)]
    known = [f"{column} IS NOT NULL" for column in columns]
    where = " AND ".join([*within(start, None), *known])
    return (
        f"SELECT [{', '.join(columns)}]::VARCHAR[], {_WINDOW}, "  # noqa: S608
        "coalesce(sum(cost_usd), 0)::DECIMAL(38, 12), "
        f"{CALLS}, ({unpriced_calls(ROLLED_SINCE)})::BIGINT, {TOKENS} "
        f"FROM charges WHERE {where} "
        "GROUP BY 1, 2 ORDER BY 2, 1"
    )
