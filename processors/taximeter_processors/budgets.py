"""Budgets against spend: compare, and raise each alert once.

Pure. Spend arrives as partial sums of source partitions (`merge.py`); what a budget
has spent in a period is kept as a running sum that moves by their differences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from taximeter_processors.accounts import Account, AccountKey, Crossing, Record
from taximeter_processors.attention import Attention, AttentionRules
from taximeter_processors.handed_on import HandedOn
from taximeter_processors.latches import latch_key
from taximeter_processors.merge import MOST_IN_MIND, Key, SpendMerge
from taximeter_processors.rolling import account_of
from taximeter_processors.rows import Rows
from taximeter_processors.windows import (
    Bounds,
    holds,
    periods_of,
    window_start,
)
from taximeter_schemas.alerts import Alert, BudgetThresholdCrossed, page_of
from taximeter_schemas.budgets import (
    WINDOW_SECONDS,
    BudgetDefined,
    BudgetEvent,
    BudgetRemoved,
    PlanAssigned,
    Unit,
    alert_id,
)
from taximeter_schemas.money import usd_from_pico
from taximeter_schemas.plans import Plans
from taximeter_schemas.spend import PartialRow
from taximeter_schemas.subjects import EACH, Subject

__all__ = ["BudgetBook", "BudgetFlush"]

_USER: Final = "user"

# Most of what is late is late by minutes.
_OVER_AFTER_SECONDS: Final = 2 * 3600


@dataclass(frozen=True)
class BudgetFlush:
    """What a flush of the watcher writes; statuses and rows are keys and values."""

    alerts: list[BudgetThresholdCrossed]
    others: list[Alert]
    statuses: list[Record]
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
        rules: what is told of besides thresholds.
        held: tells how much of a budget, in a unit, is reserved for a subject.
    """

    def __init__(
        self,
        stored: Rows,
        most_in_mind: int = MOST_IN_MIND,
        rules: AttentionRules | None = None,
        held: Callable[[str, Subject, Unit], int] = lambda _, __, ___: 0,
    ) -> None:
        self._held = held
        self._merge = SpendMerge(stored, most_in_mind)
        rules = rules or AttentionRules()
        self._link = rules.link
        self._attention = Attention(stored, self._merge, rules)
        self._budgets: dict[str, BudgetDefined] = {}
        self._of_kind: dict[str, list[BudgetDefined]] = {}
        self._plans = Plans()
        # Whose plan is another one than their accounts know.
        self._moved: set[str] = set()
        self._accounts: dict[AccountKey, Account] = {}
        # Which accounts a subject's window counts for, found once.
        self._counting: dict[Key, list[Account]] = {}
        self._touched: set[Account] = set()
        self._taken_back: dict[bytes, None] = {}
        self._handed_on = HandedOn(self._used)
        self._most_in_mind = self._let_go_at = most_in_mind
        self._latest_window = self._present = self._rolled_to = 0
        # Accounts of periods that ended up to here may have been let go.
        self._over_until = 0

    def learn(self, *events: BudgetEvent) -> None:
        """Take definitions in, and count what their periods have already spent."""
        learned: dict[str, BudgetDefined] = {}
        for event in events:
            if isinstance(event, PlanAssigned):
                self._plans.learn(event)
                self._moved.add(event.user_id)
                continue
            self._forget(event.budget_id)
            learned.pop(event.budget_id, None)
            if not isinstance(event, BudgetRemoved):
                learned[event.budget_id] = event
        self._budgets |= learned
        self._of_kind = _by_kind(self._budgets.values())
        if learned:
            self._attention.budgets_changed()
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
            account.move(row.window_start, replaced.old, row.partial)
            self._touch(account)
        self._attention.moved(row, replaced.old, accounts)

    def tick(self, now: datetime) -> None:
        """Take note of the time: some things are due without any spend."""
        if window_start(now) > self._rolled_to:
            self._roll_on(now)
        self._attention.tick(now, self._accounts.values())

    def account(self, budget_id: str, subject: Subject, window: int) -> Account | None:
        """Return a subject's account in the period that a window lies in, as of now.

        None if there is no such budget, it is not about the subject, or it has no
        period then.
        """
        self._follow_plans()
        budget = self._budgets.get(budget_id)
        if budget is None or not self._plans.cover(budget, subject):
            return None
        for bounds in periods_of(budget, window):
            account = self._account(budget, subject, bounds)
            account.limit = self._handed_on.limit(account)
            return account
        return None

    def say_again(self, account: Account) -> None:
        """Have the next flush say how an account stands."""
        self._touched.add(account)

    @property
    def has_changed(self) -> bool:
        """Tell whether a flush would say anything."""
        changed = self._touched or self._taken_back or self._moved
        moved = self._merge.has_changed or self._attention.has_changed
        return bool(changed) or moved

    def flush(self, now: datetime) -> BudgetFlush:
        """Return alerts that are due, statuses that changed, and rows to store.

        What it returns is lost unless it is written down; `flushed()` follows then.
        What is taken or learned in between belongs to the next flush.
        """
        # A call of next year, which somebody's clock dates so, ends no period of today.
        self._present = min(self._latest_window, window_start(now))
        self._follow_plans()
        touched, self._touched = self._touched, set()
        for account in touched:
            account.limit = self._handed_on.limit(account)
            account.reserved = self._reserved(account, now)
        alerts = [alert for account in touched for alert in self._due(account, now)]
        others = self._attention.due(now)
        latches = [(latch_key(alert.alert_id), b"1") for alert in [*alerts, *others]]
        return BudgetFlush(
            alerts,
            others,
            self._statuses(touched, now),
            self._merge.changed() + self._attention.rows() + latches,
        )

    def flushed(self) -> None:
        """Take note that what the last `flush()` returned is written down."""
        self._merge.flushed()
        if max(len(self._accounts), len(self._counting)) > self._let_go_at:
            self._let_go()

    def _roll_on(self, now: datetime) -> None:
        """Say anew how those stand whom time alone has changed."""
        self._rolled_to = window_start(now)
        self._touched.update(a for a in self._accounts.values() if a.rolls)

    def _statuses(self, touched: Iterable[Account], now: datetime) -> list[Record]:
        statuses: dict[bytes, bytes | None] = dict(self._taken_back)
        self._taken_back.clear()
        window = window_start(now)
        said = (account.status(window) for account in touched)
        statuses.update(status for status in said if status is not None)
        return list(statuses.items())

    def _reserved(self, account: Account, now: datetime) -> int:
        # Whatever it was reserved in: a call may be charged to the period after that.
        budget = account.budget
        held = self._held(budget.budget_id, account.subject, budget.unit)
        return held if held and holds(account.bounds, window_start(now)) else 0

    def _touch(self, account: Account) -> None:
        self._touched.add(account)
        for key in self._handed_on.changed(account):
            if (later := self._accounts.get(key)) is not None:
                self._touched.add(later)

    def _forget(self, budget_id: str) -> None:
        self._budgets.pop(budget_id, None)
        self._handed_on.forget(budget_id)
        self._take_back(key for key in self._accounts if key[0] == budget_id)

    def _take_back(self, keys: Iterable[AccountKey]) -> None:
        """Let accounts be gone, and their statuses, but for what is history."""
        self._counting.clear()
        for key in list(keys):
            account = self._accounts.pop(key)
            self._touched.discard(account)
            if account.bounds.end is None or window_start(account.bounds.end) > (
                self._present
            ):
                self._taken_back[account.key] = None

    def _follow_plans(self) -> None:
        """Count for those who went to another plan what that plan's budgets count."""
        moved, self._moved = self._moved, set()
        budgets = {
            budget.budget_id: budget
            for budget in self._budgets.values()
            if moved and budget.scope.plan is not None
        }
        if not budgets:
            return
        self._take_back(
            key
            for key in self._accounts
            if key[0] in budgets and (EACH in moved or key[1].id in moved)
        )
        for key in self._merge.windows():
            if key[0] == _USER and (EACH in moved or key[1] in moved):
                self._count(key, budgets.values())

    def _count(self, key: Key, budgets: Iterable[BudgetDefined]) -> None:
        """Add a subject's window to the accounts of budgets that were just learned."""
        subject, window = Subject(*key[:2]), key[2]
        for budget in budgets:
            if not self._plans.cover(budget, subject):
                continue
            for bounds in periods_of(budget, window):
                self._count_in(key, budget, subject, bounds)

    def _count_in(
        self, key: Key, budget: BudgetDefined, subject: Subject, bounds: Bounds
    ) -> None:
        if self._is_over(bounds) and not self._matters(key, budget, bounds):
            return
        account = self._account(budget, subject, bounds)
        if not self._is_over(bounds):  # else it was counted when it was made
            for partial in self._merge.sources(key).values():
                account.move(key[2], None, partial)
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
                self._account(budget, subject, bounds)
                for budget in self._of_kind.get(subject.kind, ())
                if self._plans.cover(budget, subject)
                for bounds in periods_of(budget, key[2])
            ]
        return accounts

    def _account(
        self, budget: BudgetDefined, subject: Subject, bounds: Bounds
    ) -> Account:
        key = budget.budget_id, subject, bounds
        account = self._accounts.get(key)
        if account is None:
            account = self._accounts[key] = account_of(budget, subject, bounds)
            if self._is_over(bounds):
                self._count_anew(account)
        return account

    def _used(self, budget: BudgetDefined, subject: Subject, bounds: Bounds) -> int:
        account = self._accounts.get((budget.budget_id, subject, bounds))
        if account is None:
            account = account_of(budget, subject, bounds)
            if self._is_over(bounds):  # else nothing is known of it
                self._count_anew(account)
        return account.used

    def _count_anew(self, account: Account) -> None:
        for window in range(*account.counts_from, WINDOW_SECONDS):
            key = account.subject.kind, account.subject.id, window
            for partial in self._merge.sources(key).values():
                account.move(window, None, partial)

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
        budget, subject = account.budget, account.subject
        for crossing in account.crossings():
            identity = alert_id(
                budget.budget_id,
                subject,
                crossing.identified_by,
                crossing.percent,
                budget.limit or Decimal(0),
                budget.unit,
            )
            if self._attention.latches.set(identity):
                link = page_of(self._link, budget.budget_id)
                yield _crossed(identity, account, crossing, now, link)


def _by_kind(budgets: Iterable[BudgetDefined]) -> dict[str, list[BudgetDefined]]:
    kinds: dict[str, list[BudgetDefined]] = {}
    for budget in budgets:
        kinds.setdefault(budget.scope.kind, []).append(budget)
    return kinds


def _crossed(
    identity: UUID,
    account: Account,
    crossing: Crossing,
    now: datetime,
    link: str | None,
) -> BudgetThresholdCrossed:
    budget, sums, end = account.budget, crossing.sums, account.bounds.end
    return BudgetThresholdCrossed(
        alert_id=identity,
        raised_at=now,
        budget_id=budget.budget_id,
        subject_kind=account.subject.kind,
        subject_id=account.subject.id,
        period=budget.period,
        period_start=crossing.bounds.start,
        period_end=crossing.bounds.end,
        threshold_percent=crossing.percent,
        **account.said_limit(),
        spent_usd=usd_from_pico(sums.cost_pico),
        tokens=sums.tokens,
        calls=sums.calls,
        late=end is not None and end <= now,
        link=link,
    )
