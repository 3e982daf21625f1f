"""The alert topic as people read it: each alert once, in words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from decimal import Decimal
from uuid import UUID

from pydantic import ValidationError

from taximeter.broker.topic_io import TopicRecord, follow_topic, read_topic
from taximeter_schemas.alerts import BudgetThresholdCrossed
from taximeter_schemas.topics import Topics

__all__ = ["alert_in_words", "follow_alerts", "raised_alerts"]


async def raised_alerts(bootstrap: str, topics: Topics) -> list[BudgetThresholdCrossed]:
    """Return every alert that was raised, the oldest first.

    Raises:
        BrokerUnavailable: no broker answers.
    """
    records = await read_topic(bootstrap, topics.budget_alerts)
    return sorted(_new(records, set()), key=lambda alert: alert.raised_at)


async def follow_alerts(
    bootstrap: str, topics: Topics
) -> AsyncIterator[BudgetThresholdCrossed]:
    """Yield every alert that was raised, and each new one as it is raised.

    Raises:
        BrokerUnavailable: no broker answers at the start.
    """
    seen: set[UUID] = set()
    async for records in follow_topic(bootstrap, topics.budget_alerts):
        for alert in sorted(_new(records, seen), key=lambda alert: alert.raised_at):
            yield alert


def alert_in_words(alert: BudgetThresholdCrossed) -> str:
    """Return an alert as one line."""
    who = "everything"
    if alert.subject_kind != "all":
        who = f"{alert.subject_kind} {alert.subject_id}"
    late = ", late" if alert.late else ""
    return (
        f"{alert.raised_at:%Y-%m-%d %H:%M:%S}Z  {alert.threshold_percent:>3} %  "
        f"{alert.budget_id}: {who} has {_used(alert)} ({_period(alert)}{late})"
    )


def _used(alert: BudgetThresholdCrossed) -> str:
    if alert.limit_tokens is not None:
        return f"used {alert.tokens:,} of {alert.limit_tokens:,} tokens"
    if alert.limit_calls is not None:
        return f"made {alert.calls:,} of {alert.limit_calls:,} calls"
    limit = _usd(alert.limit_usd or Decimal(0))
    return f"spent {_usd(alert.spent_usd)} of {limit} USD"


def _period(alert: BudgetThresholdCrossed) -> str:
    if alert.period_start is None:
        return "in total"
    return f"{alert.period} from {alert.period_start:%Y-%m-%d %H:%M}Z"


def _usd(amount: Decimal) -> str:
    """Return an amount without the zeros that say nothing.

    >>> _usd(Decimal("12.500000000000")), _usd(Decimal("0.000000000001"))
    ('12.50', '0.000000000001')
    """
    whole, _, places = f"{amount:f}".partition(".")
    return f"{whole}.{places.rstrip('0'):0<2}"


def _new(
    records: Iterable[TopicRecord], seen: set[UUID]
) -> Iterator[BudgetThresholdCrossed]:
    for record in records:
        try:
            alert = BudgetThresholdCrossed.model_validate_json(record.value or b"")
        except ValidationError:  # another kind of alert
            continue
        if alert.alert_id not in seen:
            seen.add(alert.alert_id)
            yield alert
