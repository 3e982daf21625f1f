"""An alert in words, whatever its kind."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from taximeter_schemas.alerts import (
    Alert,
    BudgetForecastExceeded,
    BudgetThresholdCrossed,
    DigestDue,
    PriceMissing,
    SpendAnomalyDetected,
    SpendRecovered,
)

__all__ = ["alert_words", "plain_usd"]


def alert_words(alert: Alert) -> str:
    """Return what an alert says, in one line."""
    match alert:
        case BudgetThresholdCrossed():
            return _crossed(alert)
        case BudgetForecastExceeded():
            return _forecast(alert)
        case SpendAnomalyDetected():
            return _anomaly(alert)
        case SpendRecovered():
            return _recovered(alert)
        case PriceMissing():
            calls = _counted(alert.unpriced_calls, "call")
            return f"{alert.model} has no price: {calls} of {alert.day} without a cost"
        case DigestDue():
            return _digest(alert)


def plain_usd(amount: Decimal) -> str:
    """Return an amount without the zeros that say nothing.

    >>> plain_usd(Decimal("12.500000000000")), plain_usd(Decimal("0.000000000001"))
    ('12.50', '0.000000000001')
    """
    whole, _, places = f"{amount:f}".partition(".")
    return f"{whole}.{places.rstrip('0'):0<2}"


def _crossed(alert: BudgetThresholdCrossed) -> str:
    late = ", late" if alert.late else ""
    who = _who(alert.subject_kind, alert.subject_id)
    period = _period(alert.period, alert.period_start)
    return f"{alert.budget_id}: {who} has {_used(alert)} ({period}{late})"


def _used(alert: BudgetThresholdCrossed) -> str:
    if alert.limit_tokens is not None:
        return f"used {alert.tokens or 0:,} of {alert.limit_tokens:,} tokens"
    if alert.limit_calls is not None:
        return f"made {alert.calls or 0:,} of {alert.limit_calls:,} calls"
    limit = plain_usd(alert.limit_usd or Decimal(0))
    return f"spent {plain_usd(alert.spent_usd)} of {limit} USD"


def _forecast(alert: BudgetForecastExceeded) -> str:
    unit = "USD" if alert.unit == "usd" else alert.unit
    reached = f" on {_moment(alert.crosses_at)}" if alert.crosses_at else ""
    who = _who(alert.subject_kind, alert.subject_id)
    low, high = _rough(alert.projected_low), _rough(alert.projected_high)
    return (
        f"{alert.budget_id}: {who} is expected to pass {_rough(alert.limit)} {unit}"
        f"{reached}, and to end at {_rough(alert.projected)} ({low} to {high}; "
        f"{_period(alert.period, alert.period_start)})"
    )


def _anomaly(alert: SpendAnomalyDetected) -> str:
    who = _who(alert.subject_kind, alert.subject_id)
    return (
        f"{who} has spent {plain_usd(alert.spent_usd)} USD in the hour from "
        f"{_moment(alert.hour_start)}; {_rough(alert.usual_usd)} are usual, "
        f"up to {_rough(alert.threshold_usd)}"
    )


def _recovered(alert: SpendRecovered) -> str:
    who, spent = _who(alert.subject_kind, alert.subject_id), plain_usd(alert.spent_usd)
    if alert.reason == "below_limit":
        period = _period(alert.period or "total", alert.period_start)
        return f"{alert.budget_id}: {who} is below the limit again ({period})"
    since = f" in the hour from {_moment(alert.hour_start)}" if alert.hour_start else ""
    return f"{who} spends as usual again: {spent} USD{since}"


def _digest(alert: DigestDue) -> str:
    unpriced = ""
    if alert.unpriced_calls:
        unpriced = f", {_counted(alert.unpriced_calls, 'call')} without a price"
    return (
        f"{plain_usd(alert.spent_usd)} USD spent by {_counted(alert.calls, 'call')}"
        f"{unpriced} ({_period(alert.period, alert.period_start)})"
    )


def _who(kind: str, name: str) -> str:
    return "everything" if kind == "all" else f"{kind} {name}"


def _period(period: str, start: datetime | None) -> str:
    return "in total" if start is None else f"{period} from {_moment(start)}"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}Z"


def _rough(amount: Decimal) -> str:
    """Return an amount as people say one.

    >>> _rough(Decimal("1234.5678")), _rough(Decimal("0.00123456"))
    ('1,234.57', '0.0012')
    """
    if amount == amount.to_integral_value():
        return f"{amount:,.0f}"
    return f"{amount:,.2f}" if abs(amount) >= 1 else f"{amount:.2g}"


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")
