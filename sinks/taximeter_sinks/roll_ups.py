"""Sums that are kept beside the charges, and what keeps them: pure, text in and out.

A roll-up has a row, a cell, for each stretch of time and each value of what it tells
apart. The sink adds to it in the transaction that writes the charges, so a cell is what
its charges add up to, at every moment; `taximeter audit` adds them up again.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from taximeter_sinks.charge_sums import CALLS, listed, unpriced_calls

__all__ = [
    "CELL_SUMS",
    "ROLLED",
    "ROLLED_SINCE",
    "ROLL_UPS",
    "RollUp",
    "adding",
    "differing",
    "in_full",
]

ROLLED_SINCE: Final = 14
"""The first version of the ledger's tables that has roll-ups."""

_HOUR: Final = 3_600
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_ADDED_UP: Final = {
    "cost_usd": "coalesce(sum(cost_usd), 0)",
    "priced": "count(cost_usd)",
    "calls": CALLS,
    "unpriced_calls": unpriced_calls(ROLLED_SINCE),
    "input_tokens": "sum(input_tokens)",
    "output_tokens": "sum(output_tokens)",
    "list_cost_usd": "coalesce(sum(list_cost_usd), 0)",
    "listed": "count(list_cost_usd)",
    "markup_usd": "coalesce(sum(cost_usd - list_cost_usd), 0)",
    "marked": "count(cost_usd - list_cost_usd)",
    "unlisted_calls": (
        "count(*) FILTER (cost_usd IS NOT NULL AND list_cost_usd IS NULL)"
    ),
}

CELL_SUMS: Final = tuple(_ADDED_UP)
"""What a cell says, by the names and in the order of `charge_sums.sums`."""


class RollUp(NamedTuple):
    """A table of cells: how long each is, and what is told apart.

    `cell` names the column that numbers the stretches, from 1970 on in UTC.
    """

    table: str
    cell: str
    seconds: int
    columns: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """What no two cells have in common."""
        return (self.cell, *self.columns)

    def whole(
        self, start: datetime | None, end: datetime | None
    ) -> tuple[int | None, int | None]:
        """Return the first whole cell of `[start, end)`, and the one behind the last.

        >>> start = datetime(1970, 1, 1, 1, 30, tzinfo=UTC)
        >>> RollUp("some", "hour", 3600).whole(start, start + timedelta(hours=2))
        (2, 3)
        """
        length = timedelta(seconds=self.seconds)
        first = None if start is None else -((_EPOCH - start) // length)
        return first, None if end is None else (end - _EPOCH) // length

    def begins(self, cell: int) -> datetime:
        """Return when a cell begins."""
        return _EPOCH + timedelta(seconds=cell * self.seconds)


ROLL_UPS: Final = (
    RollUp("spend_by_quarter", "quarter", _HOUR // 4),
    RollUp("spend_by_model", "hour", _HOUR, ("provider", "model")),
    RollUp("spend_by_project", "hour", _HOUR, ("project_id",)),
    RollUp("spend_by_user", "four_weeks", 28 * 24 * _HOUR, ("user_id",)),
)
"""All of them; what several can answer is asked of the first of those."""


ROLLED: Final = (
    "kind",
    "occurred_at",
    *(column for roll_up in ROLL_UPS for column in roll_up.columns),
    "cost_usd",
    "list_cost_usd",
    "old_unpriced_reason",
    "input_tokens",
    "output_tokens",
)
"""The columns of `charges` that cells are made of."""


def in_full(roll_up: RollUp, rows: str) -> str:
    """Return the SELECT of the cells that rows add up to, from their exact amounts."""
    place = f"epoch_us(occurred_at) // {roll_up.seconds}000000 AS {roll_up.cell}"
    added_up = ", ".join(f"{sql} AS {name}" for name, sql in _ADDED_UP.items())
    return (
        f"SELECT {listed([place, *roll_up.columns])}{added_up} "  # noqa: S608
        f"FROM {rows} GROUP BY {listed([roll_up.cell, *roll_up.columns])[:-2]}"
    )


def adding(roll_up: RollUp, rows: str) -> str:
    """Return the statement that adds new charges to their cells.

    Args:
        roll_up: to which.
        rows: where the charges stand, with the columns of `ROLLED`.
    """
    more = in_full(roll_up, rows)
    same = " AND ".join(f"cell.{key} = more.{key}" for key in roll_up.keys)
    summed = ", ".join(f"{name} = cell.{name} + more.{name}" for name in CELL_SUMS)
    return f"""
        MERGE INTO {roll_up.table} AS cell USING ({more}) AS more ON {same}
        WHEN MATCHED THEN UPDATE SET {summed}
        WHEN NOT MATCHED THEN INSERT BY NAME
    """


def differing(roll_up: RollUp) -> str:
    """Return the query for how many cells are not what their charges add up to."""
    kept = f"SELECT {', '.join((*roll_up.keys, *CELL_SUMS))} FROM {roll_up.table}"  # noqa: S608
    must = in_full(roll_up, "charges")
    return f"""
        SELECT count(*) FROM (
            SELECT DISTINCT {", ".join(roll_up.keys)} FROM (
                (({kept}) EXCEPT ALL ({must})) UNION ALL (({must}) EXCEPT ALL ({kept}))
            )
        )
    """  # noqa: S608
