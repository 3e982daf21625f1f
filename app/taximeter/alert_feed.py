"""The alert topic as people read it: each alert once, in words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from uuid import UUID

from pydantic import ValidationError

from taximeter.alert_words import alert_words
from taximeter.broker.topic_io import TopicRecord, follow_topic, read_topic
from taximeter_schemas.alerts import Alert, BudgetThresholdCrossed, alert_adapter
from taximeter_schemas.topics import Topics

__all__ = ["alert_in_words", "follow_alerts", "raised_alerts"]


async def raised_alerts(bootstrap: str, topics: Topics) -> list[Alert]:
    """Return every alert that was raised, the oldest first.

    Raises:
        BrokerUnavailable: no broker answers.
    """
    records = await read_topic(bootstrap, topics.budget_alerts)
    return sorted(_new(records, set()), key=lambda alert: alert.raised_at)


async def follow_alerts(bootstrap: str, topics: Topics) -> AsyncIterator[Alert]:
    """Yield every alert that was raised, and each new one as it is raised.

    Raises:
        BrokerUnavailable: no broker answers at the start.
    """
    seen: set[UUID] = set()
    async for records in follow_topic(bootstrap, topics.budget_alerts):
        for alert in sorted(_new(records, seen), key=lambda alert: alert.raised_at):
            yield alert


def alert_in_words(alert: Alert) -> str:
    """Return an alert as one line."""
    percent = "     "
    if isinstance(alert, BudgetThresholdCrossed):
        percent = f"{alert.threshold_percent:>3} %"
    return f"{alert.raised_at:%Y-%m-%d %H:%M:%S}Z  {percent}  {alert_words(alert)}"


def _new(records: Iterable[TopicRecord], seen: set[UUID]) -> Iterator[Alert]:
    for record in records:
        try:
            alert = alert_adapter.validate_json(record.value or b"")
        except ValidationError:  # a kind of alert that came later
            continue
        if alert.alert_id not in seen:
            seen.add(alert.alert_id)
            yield alert
