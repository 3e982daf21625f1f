"""Budgets against spend: compare, and raise each alert once.

Pure. Spend arrives as partial sums of source partitions (`merge.py`); what a budget
has spent in a period is kept as a running sum that moves by their differences.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from taximeter_processors.accounts import Account
from taximeter_processors.merge import MOST_IN_MIND, Key, SpendMerge
from taximeter_processors.rows import Rows
from taximeter_processors.windows import Bounds, period_bounds, window_start
from taximeter_schemas.alerts import BudgetThresholdCrossed
from taximeter_schemas.budgets import (
    BudgetDefined,
    BudgetEvent,
    BudgetRemoved,
    PlanAssigned,
    alert_id,
)
from taximeter_schemas.money import usd_from_pico
from taximeter_schemas.spend import WINDOW_SECONDS, PartialRow
from taximeter_schemas.subjects import Subject

__all__ = ["BudgetBook", "BudgetFlush"]

_LATCH: Final = b"alert:"

# Most of what is late is late by minutes.
_OVER_AFTER_SECONDS: Final = 2 * 3600

_AccountKey = tuple[str, Subject, Bounds]


@dataclass(frozen=True)
class BudgetFlush:
    """What a flush of the watcher writes; statuses and rows are keys and values."""

    alerts: list[BudgetThresholdCrossed]
    statuses: list[tuple[bytes, bytes]]
    rows: list[tuple[bytes, bytes]]


class BudgetBook:
    """Every budget, and how the subjects of one `spend` partition stand in it.

    Accounts of periods that are over are let go once there are many: a late event
    brings them back.

    Args:
        stored: the partition's rows as they were last flushed; whoever writes a flush
            down puts its rows there.
        most_in_mind: how many rows are kept decoded, and how many accounts before
            those of periods that are over are let go.
    """

    def __init__(self, stored: Rows, most_in_mind: int = MOST_IN_MIND) -> None:
        self._stored = stored
        self._merge = SpendMerge(stored, most_in_mind)
        self._budgets: dict[str, BudgetDefined] = {}
        self._accounts: dict[_AccountKey, Account] = {}
        # Which accounts a subject's window counts for, found once.
        self._counting: dict[Key, list[Account]] = {}
        self._touched: set[Account] = set()
        self._most_in_mind = self._let_go_at = most_in_mind
        self._latest_window = self._present = 0
        # Accounts of periods that ended up to here may have been let go.
        self._over_until = 0

    def learn(self, *events: BudgetEvent) -> None:
        """Take definitions in, and count what their periods have already spent."""
        learned: dict[str, BudgetDefined] = {}
        for event in events:
            if isinstance(event, PlanAssigned):
                continue
            self._forget(event.budget_id)
            learned.pop(event.budget_id, None)
            if not isinstance(event, BudgetRemoved):
                learned[event.budget_id] = event
        self._budgets |= learned
        if learned:
            for key in self._merge.windows():
                self._count(key, learned.values())

    def take(self, source_partition: int, row: PartialRow) -> None:
        """Take a partial sum in; an old one changes nothing."""
        self._latest_window = max(self._latest_window, row.window_start)
        accounts = self._accounts_of(row[:3])  # before it is among what they count
        replaced = self._merge.take(source_partition, row)
        if replaced is None:
            return
        for account in accounts:
            account.move(replaced.old, row.partial)
            self._touched.add(account)

    @property
    def has_changed(self) -> bool:
        """Tell whether a flush would say anything."""
        return bool(self._touched) or self._merge.has_changed

    def flush(self, now: datetime) -> BudgetFlush:
        """Return alerts that are due, statuses that changed, and rows to store.

        What it returns is lost unless it is written down; `flushed()` follows then.
        What is taken or learned in between belongs to the next flush.
        """
        # A call of next year, which somebody's clock dates so, ends no period of today.
        self._present = min(self._latest_window, window_start(now))
        touched, self._touched = self._touched, set()
        alerts = [alert for account in touched for alert in self._due(account, now)]
        latches = [(_latch(alert.alert_id), b"1") for alert in alerts]
        return BudgetFlush(
            alerts,
            [account.status() for account in touched],
            self._merge.changed() + latches,
        )

    def flushed(self) -> None:
        """Take note that what the last `flush()` returned is written down."""
        self._merge.flushed()
        if max(len(self._accounts), len(self._counting)) > self._let_go_at:
            self._let_go()

    def _forget(self, budget_id: str) -> None:
        self._budgets.pop(budget_id, None)
        self._counting.clear()
        for key in [key for key in self._accounts if key[0] == budget_id]:
            self._touched.discard(self._accounts.pop(key))

    def _count(self, key: Key, budgets: Iterable[BudgetDefined]) -> None:
        """Add a subject's window to the accounts of budgets that were just learned."""
        subject, window = Subject(*key[:2]), key[2]
        for budget in budgets:
            if not budget.scope.covers(subject):
                continue
            bounds = _bounds(budget, window)
            if self._is_over(bounds) and not self._matters(key, budget, bounds):
                continue
            account = self._account(budget, subject, window)
            if not self._is_over(bounds):  # else it was counted when it was made
                for partial in self._merge.sources(key).values():
                    account.move(None, partial)
            self._touched.add(account)

    def _matters(self, key: Key, budget: BudgetDefined, bounds: Bounds) -> bool:
        """Tell whether a period that is over has something to be said of.

        An alert, if the budget was there before it ended, or a sum that nobody said.
        """
        existed = bounds.end is None or bounds.end > budget.defined_at
        return existed or self._merge.is_unflushed(key)

    def _accounts_of(self, key: Key) -> list[Account]:
        accounts = self._counting.get(key)
        if accounts is None:
            subject = Subject(*key[:2])
            accounts = self._counting[key] = [
                self._account(budget, subject, key[2])
                for budget in self._budgets.values()
                if budget.scope.covers(subject)
            ]
        return accounts

    def _account(self, budget: BudgetDefined, subject: Subject, window: int) -> Account:
        bounds = _bounds(budget, window)
        key = budget.budget_id, subject, bounds
        account = self._accounts.get(key)
        if account is None:
            account = self._accounts[key] = Account(budget, subject, bounds)
            if self._is_over(bounds):
                self._count_anew(account)
        return account

    def _count_anew(self, account: Account) -> None:
        start, end = account.bounds
        if start is None or end is None:
            return
        for window in range(window_start(start), window_start(end), WINDOW_SECONDS):
            key = account.subject.kind, account.subject.id, window
            for partial in self._merge.sources(key).values():
                account.move(None, partial)

    def _is_over(self, bounds: Bounds) -> bool:
        return bounds.end is not None and bounds.end.timestamp() <= self._over_until

    def _let_go(self) -> None:
        """Let the accounts of periods that are over be gone."""
        over_until = self._present - _OVER_AFTER_SECONDS
        self._over_until = max(self._over_until, over_until)
        self._accounts = {
            key: account
            for key, account in self._accounts.items()
            if account in self._touched or not self._is_over(account.bounds)
        }
        self._counting.clear()
        self._let_go_at = max(self._most_in_mind, 2 * len(self._accounts))

    def _due(self, account: Account, now: datetime) -> Iterator[BudgetThresholdCrossed]:
        budget, spent = account.budget, account.cost_pico
        end = account.bounds.end
        if end is not None and end <= budget.defined_at:
            return  # the budget did not exist yet while that period ran
        limit = account.limit_pico
        for percent in budget.thresholds_percent[account.raised :]:
            if spent <= 0 or spent * 100 < percent * limit:
                return
            identity = alert_id(
                budget.budget_id,
                account.subject,
                account.bounds.start,
                percent,
                budget.limit or Decimal(0),
            )
            account.raised += 1
            if self._stored.get(_latch(identity)) is None:
                yield _crossed(identity, account, percent, now)


def _latch(alert: UUID) -> bytes:
    return _LATCH + str(alert).encode()


def _bounds(budget: BudgetDefined, window: int) -> Bounds:
    return period_bounds(budget.period, budget.time_zone, window)


def _crossed(
    identity: UUID, account: Account, percent: int, now: datetime
) -> BudgetThresholdCrossed:
    budget = account.budget
    return BudgetThresholdCrossed(
        alert_id=identity,
        raised_at=now,
        budget_id=budget.budget_id,
        subject_kind=account.subject.kind,
        subject_id=account.subject.id,
        period=budget.period,
        period_start=account.bounds.start,
        period_end=account.bounds.end,
        threshold_percent=percent,
        limit_usd=budget.limit_usd,
        spent_usd=usd_from_pico(account.cost_pico),
    )
