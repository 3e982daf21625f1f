"""What the demo asks the ledger: how far it is, and whether everything has settled."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from decimal import Decimal
from typing import Any, Final, NamedTuple
from uuid import UUID

from taximeter.reading import open_ledger
from taximeter.state import DataDir
from taximeter_schemas.budgets import BudgetDefined
from taximeter_schemas.errors import LedgerUnavailable
from taximeter_schemas.money import usd_from_pico
from taximeter_schemas.subjects import EACH
from taximeter_sinks.queries import Ledger

__all__ = ["Books", "Standing"]

_STANDING: Final = (
    "SELECT (SELECT count(*) FROM charges), "
    "(SELECT coalesce(sum(cost_usd), 0)::DECIMAL(38, 12) FROM charges), "
    "(SELECT count(threshold_percent) FROM alerts), (SELECT count(*) FROM dead_letters)"
)
_CROSSED: Final = (
    "SELECT count(*) FROM budget_status AS s JOIN budgets AS b USING (budget_id), "
    "unnest(b.thresholds_percent) AS t(percent) "
    "WHERE s.spent_usd > 0 AND s.spent_usd * 100 >= t.percent * s.limit_usd"
)


class Standing(NamedTuple):
    """How far the ledger is."""

    charges: int = 0
    cost_usd: Decimal = usd_from_pico(0)
    alerts: int = 0
    dead_letters: int = 0


class Books:
    """Reads the ledger beside the event loop; a sink that restarts is waited for."""

    def __init__(self, data: DataDir) -> None:
        self._data = data
        self._ledger: Ledger | None = None
        self.last = Standing()

    async def standing(self) -> Standing:
        """Return how far the ledger is; while it can't be asked, as far as it was."""
        rows = await self._ask(_STANDING)
        if rows:
            self.last = Standing(*rows[0])
        return self.last

    async def present(self, event_ids: Collection[UUID]) -> set[UUID]:
        """Return which of these events have a row."""
        listed = ", ".join(f"'{event_id}'" for event_id in event_ids)
        rows = await self._ask(
            f"SELECT event_id FROM charges WHERE event_id IN ({listed})"  # noqa: S608
        )
        return {UUID(str(row[0])) for row in rows}

    async def settled(self, budgets: Collection[BudgetDefined]) -> bool:
        """Tell whether every budget has seen every charge and raised every alert.

        True when each budget's statuses add up to what was charged, and there is
        an alert for each threshold that they crossed.
        """
        rows = await self._ask(
            "SELECT budget_id, sum(spent_usd) FROM budget_status GROUP BY 1"
        )
        counted = dict(rows)
        for budget in budgets:
            if counted.get(budget.budget_id, Decimal(0)) != await self._spent(budget):
                return False
        crossed = await self._ask(_CROSSED)
        return bool(crossed) and crossed[0][0] == (await self.standing()).alerts

    async def _spent(self, budget: BudgetDefined) -> Decimal | None:
        where = ""
        for kind, name in budget.scope.named().items():
            if name != EACH:
                column = "model" if kind == "model" else f"{kind}_id"
                where = f"WHERE {column} = '{name}'"
        rows = await self._ask(
            f"SELECT coalesce(sum(cost_usd), 0) FROM charges {where}"  # noqa: S608
        )
        return rows[0][0] if rows else None

    async def _ask(self, query: str) -> list[tuple[Any, ...]]:
        return await asyncio.to_thread(self._answer, query)

    def _answer(self, query: str) -> list[tuple[Any, ...]]:
        try:
            if self._ledger is None:
                self._ledger = open_ledger(self._data)
            return self._ledger.sql(query).rows
        except LedgerUnavailable:
            self._ledger = None
            return []
