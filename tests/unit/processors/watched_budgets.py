"""A budget book by example: what is told to it, and all that it says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from taximeter_processors.attention import AttentionRules
from taximeter_processors.budgets import BudgetBook
from taximeter_processors.merge import MOST_IN_MIND
from taximeter_processors.windows import window_start
from taximeter_schemas.alerts import Alert, BudgetThresholdCrossed
from taximeter_schemas.budgets import (
    BudgetDefined,
    BudgetStatus,
)
from taximeter_schemas.money import pico_from_usd
from taximeter_schemas.spend import Partial, PartialRow
from taximeter_schemas.subjects import Scope, Subject
from tests.builders import NOON

ALICE = Subject("user", "alice")
MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC)


def a_budget(**overrides: object) -> BudgetDefined:
    """Return a budget of 10 USD a day for Alice."""
    fields: dict[str, object] = {
        "budget_id": "alice-daily",
        "scope": Scope(user="alice"),
        "period": "day",
        "limit_usd": "10",
        "defined_at": NOON - timedelta(days=1),
    }
    return BudgetDefined.model_validate(fields | overrides)


def spent(
    usd: str,
    offset: int = 0,
    at: datetime = NOON,
    subject: Subject = ALICE,
    unpriced: int = 0,
) -> PartialRow:
    """Return what one source partition says was spent in the window of a moment."""
    partial = Partial(str(pico_from_usd(Decimal(usd))), 1, unpriced, 0, offset)
    return PartialRow(*subject, window_start(at), partial)


class Watched:
    """A budget book with its table, and all that it ever said."""

    def __init__(
        self, *budgets: BudgetDefined, rules: AttentionRules | None = None
    ) -> None:
        self.rows: dict[bytes, bytes] = {}
        self.alerts: list[BudgetThresholdCrossed] = []
        self.others: list[Alert] = []
        self.rules = rules
        self.statuses: dict[bytes, BudgetStatus] = {}
        self.budgets = list(budgets)
        self.restart()

    def restart(self, most_in_mind: int = MOST_IN_MIND) -> None:
        """Begin anew from what is stored."""
        self.book = BudgetBook(self.rows, most_in_mind, self.rules)
        for budget in self.budgets:
            self.book.learn(budget)

    def takes(
        self, *rows: PartialRow, source: int = 0, now: datetime = NOON
    ) -> list[int]:
        """Take rows in and flush; return the thresholds of the alerts raised."""
        for row in rows:
            self.book.take(source, row)
        return self.flush(now)

    def flush(self, now: datetime = NOON) -> list[int]:
        """Write down what is due; return the thresholds of the alerts raised."""
        flush = self.book.flush(now)
        self.rows.update(flush.rows)
        self.alerts += flush.alerts
        self.others += flush.others
        for key, value in flush.statuses:
            self.statuses.pop(key, None)
            if value is not None:
                self.statuses[key] = BudgetStatus.model_validate_json(value)
        self.book.flushed()
        return [alert.threshold_percent for alert in flush.alerts]

    def told(self, now: datetime, *rows: PartialRow) -> list[Alert]:
        """Take rows in at a moment; return what was raised besides thresholds."""
        before = len(self.others)
        self.takes(*rows, now=now)
        for _ in range(10):
            self.book.tick(now)
        self.flush(now)
        return self.others[before:]

    @property
    def status(self) -> BudgetStatus:
        """The only status there is."""
        (status,) = self.statuses.values()
        return status
