"""Budgets that corrections have brought below their limit again; told once. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from taximeter_processors.accounts import Account
from taximeter_processors.latches import Latches
from taximeter_schemas.alerts import SpendRecovered, recovery_id
from taximeter_schemas.budgets import alert_id
from taximeter_schemas.money import usd_from_pico

__all__ = ["Recoveries"]

_ALL: Final = 100


class Recoveries:
    """Looks at accounts whose spend became less, since nothing else can lower it."""

    def __init__(self, latches: Latches) -> None:
        self._latches = latches
        self._fallen: dict[Account, None] = {}

    def fell(self, accounts: Iterable[Account]) -> None:
        """Take note that some accounts have less than before."""
        self._fallen |= dict.fromkeys(accounts)

    def due(self, now: datetime) -> list[SpendRecovered]:
        """Return what is to be raised, given that what was crossed has its latch."""
        fallen, self._fallen = self._fallen, {}
        found = (self._recovered(account, now) for account in fallen)
        return [alert for alert in found if alert is not None]

    def _recovered(self, account: Account, now: datetime) -> SpendRecovered | None:
        crossed = _crossing(account)
        if crossed is None or not self._latches.is_set(crossed):
            return None
        if not self._latches.set(recovery_id(crossed)):
            return None
        return SpendRecovered(
            event_type="SpendRecovered",
            alert_id=recovery_id(crossed),
            raised_at=now,
            recovers=crossed,
            reason="below_limit",
            subject_kind=account.subject.kind,
            subject_id=account.subject.id,
            budget_id=account.budget.budget_id,
            period=account.budget.period,
            period_start=account.bounds.start,
            period_end=account.bounds.end,
            spent_usd=usd_from_pico(account.sums.cost_pico),
        )


def _crossing(account: Account) -> UUID | None:
    """Return the alert that said that the limit is passed, if it is not any more.

    What rolls falls below its limit by itself, and is not told of.
    """
    budget = account.budget
    percents = [percent for percent in budget.thresholds_percent if percent >= _ALL]
    if account.limit is None or account.rolls or not percents:
        return None
    if account.used >= account.limit:
        return None
    return alert_id(
        budget.budget_id,
        account.subject,
        account.bounds.start,
        percents[0],
        budget.limit or Decimal(0),
        budget.unit,
    )
