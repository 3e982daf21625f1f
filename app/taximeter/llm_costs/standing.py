"""How the budgets stand, from the ledger: by the very code that a watcher runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from taximeter.llm_costs.config import CostsConfig
from taximeter.llm_costs.kept_budgets import budgets_in_force
from taximeter_processors.accounts import Record
from taximeter_processors.attention import AttentionRules
from taximeter_processors.budgets import BudgetBook
from taximeter_processors.digests import DigestRules
from taximeter_processors.forecast import HISTORY
from taximeter_processors.latches import latch_key
from taximeter_processors.windows import periods_of, window_start
from taximeter_schemas.alerts import Alert
from taximeter_schemas.budgets import BudgetDefined, BudgetEvent, BudgetStatus
from taximeter_schemas.fields import EARLIEST
from taximeter_schemas.money import pico_from_usd
from taximeter_schemas.spend import Partial, PartialRow
from taximeter_schemas.subjects import EACH, subject_of
from taximeter_schemas.topics import Topics
from taximeter_sinks.decode import Place, RawRecord
from taximeter_sinks.window_spend import WindowSpend, window_spend

__all__ = ["Stands", "how_budgets_stand"]

_ALWAYS: Final = ("all", "model")
"""Digests are about all, missing prices about models."""


@dataclass(frozen=True)
class Stands:
    """Alerts that are due now, and each status; one without a value is taken back."""

    budgets: Mapping[str, BudgetDefined] = field(default_factory=dict[str, Any])
    alerts: list[Alert] = field(default_factory=list[Alert])
    statuses: list[Record] = field(default_factory=list[Record])

    def by_key(self) -> list[tuple[bytes, BudgetStatus]]:
        """Return the statuses as a guard takes them."""
        return [
            (key, BudgetStatus.model_validate_json(value))
            for key, value in self.statuses
            if value is not None
        ]

    def records(
        self, topics: Topics, next_offsets: Mapping[Place, int]
    ) -> list[RawRecord]:
        """Return them as the records that a watcher would have sent."""
        alerts = [
            (str(alert.alert_id).encode(), alert.model_dump_json().encode())
            for alert in self.alerts
        ]
        return [
            *_numbered(topics.budget_alerts.name, alerts, next_offsets),
            *_numbered(topics.budget_status.name, self.statuses, next_offsets),
        ]


def how_budgets_stand(
    ledger: Any,  # noqa: ANN401 - a connection, which is the sinks' business
    events: Sequence[BudgetEvent],
    config: CostsConfig,
    now: datetime,
) -> Stands:
    """Compare what has been spent with every budget.

    Args:
        ledger: an open connection.
        events: all that was ever said of budgets.
        config: says which digests are wanted.
        now: the present moment.
    """
    budgets = budgets_in_force(events)
    # All that was logged is in the ledger: there is nothing to wait for.
    digests = DigestRules(config.alerts.digests, config.zone, timedelta(0))
    book = BudgetBook(_latches(ledger), rules=AttentionRules(digests=digests))
    book.learn(*budgets.values())
    kinds = {budget.scope.kind for budget in budgets.values()} | set(_ALWAYS)
    for spent in window_spend(ledger, sorted(kinds), _since(budgets.values(), now)):
        book.take(0, _partial(spent))
    for budget in budgets.values():
        _say_of_nothing(book, budget, now)
    book.tick(now)
    flush = book.flush(now)
    return Stands(budgets, [*flush.alerts, *flush.others], flush.statuses)


def _say_of_nothing(book: BudgetBook, budget: BudgetDefined, now: datetime) -> None:
    """Have it said how a budget stands that nothing was spent of."""
    named = budget.scope.named()
    if EACH not in named.values():
        account = book.account(budget.budget_id, subject_of(named), window_start(now))
        if account is not None:
            book.say_again(account)


def _latches(ledger: Any) -> dict[bytes, bytes]:  # noqa: ANN401
    found = ledger.execute("SELECT alert_id FROM alerts").fetchall()
    return {latch_key(UUID(str(identity))): b"1" for (identity,) in found}


def _since(budgets: Iterable[BudgetDefined], now: datetime) -> datetime:
    """Return from when on spend matters to somebody."""
    window, earliest = window_start(now), now - HISTORY
    for budget in budgets:
        for bounds in periods_of(budget, window):
            start = EARLIEST if bounds.start is None else bounds.start
            earliest = min(earliest, start)
    return earliest


def _partial(spent: WindowSpend) -> PartialRow:
    partial = Partial(
        str(pico_from_usd(spent.cost_usd)),
        spent.calls,
        spent.unpriced_calls,
        spent.tokens,
        0,
    )
    return PartialRow(spent.kind, spent.id, spent.window_start, partial)


def _numbered(
    topic: str, records: Iterable[Record], next_offsets: Mapping[Place, int]
) -> list[RawRecord]:
    first = next_offsets.get(Place(topic, 0), 0)
    numbered = enumerate(records, first)
    return [RawRecord(topic, 0, n, key, value) for n, (key, value) in numbered]
