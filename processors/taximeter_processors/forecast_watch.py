"""Budgets that are expected to be over their limit before the end; told once. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from taximeter_processors.accounts import Account
from taximeter_processors.forecast import Projection, project
from taximeter_processors.latches import Latches
from taximeter_processors.spend_history import SpendHistory
from taximeter_schemas.alerts import BudgetForecastExceeded, forecast_id
from taximeter_schemas.budgets import Unit, in_unit

__all__ = ["ForecastWatch"]

_LEAST_PASSED: Final = 0.1
_NEAR: Final = 0.5
_PROJECTED_A_TURN: Final = 4


class _Standing(NamedTuple):
    """An account in whole numbers of its budget's unit."""

    unit: Unit
    limit: int
    spent: int


class ForecastWatch:
    """Projects the accounts whose plain pace comes near their limit.

    A projection takes milliseconds, so that a quarter of an hour, or another budget,
    only says which ones are to be made, and each turn makes some of them.
    """

    def __init__(self, latches: Latches, history: SpendHistory) -> None:
        self._latches = latches
        self._history = history
        self._to_project: dict[Account, None] = {}
        self._exceeded: dict[UUID, BudgetForecastExceeded] = {}

    @property
    def has_changed(self) -> bool:
        """Tell whether there is something to say."""
        return bool(self._exceeded)

    def choose(self, accounts: Iterable[Account], now: datetime) -> None:
        """Choose whom to look at, by pace alone."""
        chosen = [
            account
            for account in accounts
            if account.budget.alert_on_forecast and _comes_near(account, now)
        ]
        self._to_project = dict.fromkeys(
            account for account in chosen if not self._latches.is_set(_id(account))
        )

    def tick(self, now: datetime) -> None:
        """Project some of those that were chosen."""
        for account in list(self._to_project)[:_PROJECTED_A_TURN]:
            del self._to_project[account]
            if _comes_near(account, now):
                self._project(account, now)

    def due(self) -> list[BudgetForecastExceeded]:
        """Return what is to be raised."""
        exceeded, self._exceeded = self._exceeded, {}
        return [
            alert for alert in exceeded.values() if self._latches.set(alert.alert_id)
        ]

    def _project(self, account: Account, now: datetime) -> None:
        standing, (start, end) = _standing(account), account.bounds
        assert standing is not None
        assert start is not None
        assert end is not None
        found = project(
            self._history.hourly(account.subject, now, standing.unit),
            (start, end),
            now,
            standing.spent,
            standing.limit,
            account.budget.time_zone,
        )
        if found.expected > standing.limit:
            alert = _exceeded(account, standing, found, now)
            self._exceeded[alert.alert_id] = alert


def _standing(account: Account) -> _Standing | None:
    if account.limit is None or account.rolls:
        return None
    return _Standing(account.budget.unit, account.limit, account.used)


def _comes_near(account: Account, now: datetime) -> bool:
    """Tell whether the limit is near if all goes on as it did, and not reached yet.

    Only once a tenth of the period has passed: before it a pace says nothing. The
    pace of a Friday can be twice that of the week that follows.
    """
    standing, (start, end) = _standing(account), account.bounds
    if standing is None or start is None or end is None or not start < now < end:
        return False
    passed = (now - start) / (end - start)
    if passed < _LEAST_PASSED or standing.spent >= standing.limit:
        return False
    return standing.spent / passed >= standing.limit * _NEAR


def _id(account: Account) -> UUID:
    budget, start = account.budget, account.bounds.start
    assert budget.limit is not None
    assert start is not None
    return forecast_id(
        budget.budget_id, account.subject, start, budget.limit, budget.unit
    )


def _exceeded(
    account: Account, standing: _Standing, found: Projection, now: datetime
) -> BudgetForecastExceeded:
    budget, unit = account.budget, standing.unit
    return BudgetForecastExceeded.model_validate(
        {
            "event_type": "BudgetForecastExceeded",
            "alert_id": _id(account),
            "raised_at": now,
            "budget_id": budget.budget_id,
            "subject_kind": account.subject.kind,
            "subject_id": account.subject.id,
            "period": budget.period,
            "period_start": account.bounds.start,
            "period_end": account.bounds.end,
            "unit": unit,
            "limit": in_unit(standing.limit, unit),
            "spent": in_unit(standing.spent, unit),
            "projected": in_unit(found.expected, unit),
            "projected_low": in_unit(found.low, unit),
            "projected_high": in_unit(found.high, unit),
            "crosses_at": found.crosses_at,
        }
    )
