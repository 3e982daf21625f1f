"""Who and what spent most in what an alert is about, as the ledger knows it.

The alert itself cannot say it: docs/adr/0013 tells why.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from taximeter_schemas.alerts import (
    Alert,
    BudgetForecastExceeded,
    BudgetThresholdCrossed,
    DigestDue,
    Share,
    SpendAnomalyDetected,
)
from taximeter_schemas.subjects import EVERYTHING, Subject
from taximeter_sinks.queries import Ledger
from taximeter_sinks.tops import TOP_KINDS

__all__ = ["About", "Dearest", "about", "dearest"]

_HOUR: Final = timedelta(hours=1)


class About(NamedTuple):
    """Whose spend an alert is about, in `[start, end)`."""

    subject: Subject
    start: datetime | None
    end: datetime | None


class Dearest(NamedTuple):
    """The three dearest models, and users, the dearest first."""

    models: tuple[Share, ...] = ()
    users: tuple[Share, ...] = ()


def about(alert: Alert) -> About | None:
    """Return whose spend an alert is about; None where it is about nobody's."""
    match alert:
        case BudgetThresholdCrossed() | BudgetForecastExceeded():
            subject = Subject(alert.subject_kind, alert.subject_id)
            return About(subject, alert.period_start, alert.period_end)
        case SpendAnomalyDetected():
            subject = Subject(alert.subject_kind, alert.subject_id)
            return About(subject, alert.hour_start, alert.hour_start + _HOUR)
        case DigestDue():
            return About(EVERYTHING, alert.period_start, alert.period_end)
        case _:
            return None


def dearest(ledger: Ledger, asked: About) -> Dearest:
    """Return who spent most in it, to the last digit, as of now."""
    tops = ledger.tops(*asked)
    models, users = (
        tuple(Share(name=t.name, spent_usd=t.cost_usd) for t in tops if t.by == kind)
        for kind in TOP_KINDS
    )
    return Dearest(models, users)
