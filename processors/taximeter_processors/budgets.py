"""Budgets against spend: merge partial sums, compare, and raise each alert once.

Pure. Spend arrives as partial sums of source partitions; each is absolute, and the
one with the larger offset is the newer one, so merging is addition and neither
order nor repetition can change the result. What a budget has spent in a period is
kept as a running sum that moves by differences.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from msgspec import json

from taximeter_processors.accounts import Account
from taximeter_processors.windows import Bounds, period_bounds
from taximeter_schemas.alerts import BudgetThresholdCrossed
from taximeter_schemas.budgets import (
    BudgetDefined,
    BudgetEvent,
    BudgetRemoved,
    Subject,
    SubjectKind,
    alert_id,
)
from taximeter_schemas.money import usd_from_pico
from taximeter_schemas.spend import Partial, PartialRow

__all__ = ["BudgetBook", "BudgetFlush", "SpendMerge"]

_LATCH: Final = b"alert:"


_Key = tuple[SubjectKind, str, int]

_key: Final = json.Decoder(_Key)
_sources: Final = json.Decoder(dict[int, Partial])
_row: Final = json.Encoder().encode


class Replaced(NamedTuple):
    """The partial that stood where a newer one now stands, if there was one."""

    old: Partial | None


class SpendMerge:
    """The newest partial of each source partition, for the subjects of one partition.

    Args:
        stored: rows as `changed` returned them, of whoever owned the partition
            before.
    """

    def __init__(self, stored: Mapping[bytes, bytes]) -> None:
        self._partials: dict[_Key, dict[int, Partial]] = {}
        self._touched: set[_Key] = set()
        for key, value in stored.items():
            if key.startswith(b"["):
                self._partials[_key.decode(key)] = _sources.decode(value)

    def take(self, source_partition: int, row: PartialRow) -> Replaced | None:
        """Take a partial in; return what it replaces, or None if it is an older one.

        One with the same offset takes the place too: it says the same, unless a
        flush that did not come about had been priced by an older price book.
        """
        key = row[:3]
        partial = row.partial
        sources = self._partials.get(key)
        if sources is None:
            sources = self._partials[key] = {}
        old = sources.get(source_partition)
        if old is not None and partial.offset < old.offset:
            return None
        sources[source_partition] = partial
        self._touched.add(key)
        return Replaced(old)

    @property
    def has_changed(self) -> bool:
        """Tell whether a row changed since `changed` was asked last."""
        return bool(self._touched)

    def windows(self) -> Iterator[tuple[Subject, int, Iterable[Partial]]]:
        """Yield every subject and window with its partials."""
        for (kind, name, window), sources in self._partials.items():
            yield Subject(kind, name), window, sources.values()

    def changed(self) -> list[tuple[bytes, bytes]]:
        """Return the rows that changed since the last time, to be stored."""
        touched, self._touched = self._touched, set()
        return [(_row(key), _row(self._partials[key])) for key in touched]


@dataclass(frozen=True)
class BudgetFlush:
    """What a flush of the watcher writes; statuses and rows are keys and values."""

    alerts: list[BudgetThresholdCrossed]
    statuses: list[tuple[bytes, bytes]]
    rows: list[tuple[bytes, bytes]]


class BudgetBook:
    """Every budget, and how the subjects of one `spend` partition stand in it.

    Args:
        stored: the partition's rows as they were last flushed.
    """

    def __init__(self, stored: Mapping[bytes, bytes]) -> None:
        self._merge = SpendMerge(stored)
        self._raised = {
            UUID(key.removeprefix(_LATCH).decode())
            for key in stored
            if key.startswith(_LATCH)
        }
        self._budgets: dict[str, BudgetDefined] = {}
        self._accounts: dict[tuple[str, Subject, Bounds], Account] = {}
        # Which accounts a subject's window counts for, found once.
        self._counting: dict[_Key, list[Account]] = {}
        self._touched: set[Account] = set()
        self._newly_raised: list[UUID] = []

    def learn(self, event: BudgetEvent) -> None:
        """Take a definition in, and count what its periods have already spent."""
        self._forget(event.budget_id)
        if isinstance(event, BudgetRemoved):
            return
        self._budgets[event.budget_id] = event
        for subject, window, partials in self._merge.windows():
            if event.scope.covers(subject):
                account = self._account(event, subject, window)
                for partial in partials:
                    account.move(None, partial)
                self._touched.add(account)

    def take(self, source_partition: int, row: PartialRow) -> None:
        """Take a partial sum in; an old one changes nothing."""
        replaced = self._merge.take(source_partition, row)
        if replaced is None:
            return
        for account in self._accounts_of(row):
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
        touched, self._touched = self._touched, set()
        alerts = [alert for account in touched for alert in self._due(account, now)]
        self._newly_raised = [alert.alert_id for alert in alerts]
        latches = [(_LATCH + str(alert.alert_id).encode(), b"1") for alert in alerts]
        return BudgetFlush(
            alerts,
            [account.status() for account in touched],
            self._merge.changed() + latches,
        )

    def flushed(self) -> None:
        """Forget what the last `flush()` returned: it is written down."""
        self._raised.update(self._newly_raised)
        self._newly_raised = []

    def _forget(self, budget_id: str) -> None:
        self._budgets.pop(budget_id, None)
        self._counting.clear()
        for key in [key for key in self._accounts if key[0] == budget_id]:
            self._touched.discard(self._accounts.pop(key))

    def _accounts_of(self, row: PartialRow) -> list[Account]:
        key = row[:3]
        accounts = self._counting.get(key)
        if accounts is None:
            subject = Subject(row.kind, row.id)
            accounts = self._counting[key] = [
                self._account(budget, subject, row.window_start)
                for budget in self._budgets.values()
                if budget.scope.covers(subject)
            ]
        return accounts

    def _account(self, budget: BudgetDefined, subject: Subject, window: int) -> Account:
        bounds = period_bounds(budget.period, budget.time_zone, window)
        key = budget.budget_id, subject, bounds
        account = self._accounts.get(key)
        if account is None:
            account = self._accounts[key] = Account(budget, subject, bounds)
        return account

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
                budget.limit_usd,
            )
            account.raised += 1
            if identity not in self._raised:
                yield _crossed(identity, account, percent, now)


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
