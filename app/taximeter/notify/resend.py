"""Alerts whose last attempt failed, asked for once more.

The request is an event in the delivery log: the notifier that runs takes it in, and one
that does not will when it starts. Nobody else may write what becomes of an alert.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Final
from uuid import UUID

from pydantic import ValidationError

from taximeter.broker.topic_io import TopicRecord, publish, read_topic
from taximeter.notify.alert import NotAnAlert, read_alert
from taximeter.notify.delivery_state import DeliveryState, delivery_event
from taximeter_schemas.dead_letters import DeadLetterRetried
from taximeter_schemas.deliveries import AlertDeliveryFailed, AlertResendRequested
from taximeter_schemas.topics import Topics

__all__ = ["ask_again", "given_up_deliveries", "requests"]

_LOG_PARTITION: Final = 0


async def given_up_deliveries(
    bootstrap: str, topics: Topics, route: str = "*", alert: UUID | None = None
) -> list[AlertDeliveryFailed]:
    """Return what was given up, the earliest first.

    Args:
        bootstrap: where Kafka is.
        topics: the installation's topics.
        route: a pattern for the names of routes.
        alert: only this alert.

    Raises:
        BrokerUnavailable: no broker answers.
    """
    state = DeliveryState()
    for record in await read_topic(bootstrap, topics.deliveries):
        try:
            state.apply([delivery_event(record.value)])
        except ValidationError:
            continue
    chosen = [
        failed
        for failed in state.given_up.values()
        if fnmatchcase(failed.route, route) and alert in (None, failed.alert_id)
    ]
    return sorted(chosen, key=lambda failed: failed.failed_at)


async def ask_again(
    bootstrap: str,
    topics: Topics,
    failures: Iterable[AlertDeliveryFailed],
    now: datetime,
) -> list[AlertResendRequested]:
    """Ask for deliveries once more; return what was asked for.

    1. The requests are in the log. From here on the notifier delivers.
    2. Their dead letters are closed. A crash before it leaves them open, and nothing
       asks for them again.

    Raises:
        BrokerUnavailable: no broker answers.
    """
    alerts = _by_id(await read_topic(bootstrap, topics.budget_alerts))
    asked = requests(failures, alerts, now)
    log = [(one.key, one.model_dump_json().encode()) for one in asked]
    await publish(bootstrap, topics.deliveries, log, _LOG_PARTITION)
    letters = [_closed(one, topics, now) for one in asked]
    closed = [(one.key, one.model_dump_json().encode()) for one in letters]
    await publish(bootstrap, topics.dead_letters, closed)
    return asked


def requests(
    failures: Iterable[AlertDeliveryFailed],
    alerts: Mapping[UUID, TopicRecord],
    now: datetime,
) -> list[AlertResendRequested]:
    """Return the request for each failure whose alert is known."""
    return [
        AlertResendRequested(
            event_type="AlertResendRequested",
            alert_id=failed.alert_id,
            route=failed.route,
            requested_at=now,
            alert_partition=record.partition,
            alert_offset=record.offset,
            alert=(record.value or b"").decode(),
        )
        for failed in failures
        if (record := alerts.get(failed.alert_id)) is not None
    ]


def _by_id(records: Iterable[TopicRecord]) -> dict[UUID, TopicRecord]:
    """Return the first record of each alert."""
    found: dict[UUID, TopicRecord] = {}
    for record in records:
        try:
            found.setdefault(read_alert(record.value).alert_id, record)
        except NotAnAlert:
            continue
    return found


def _closed(
    one: AlertResendRequested, topics: Topics, now: datetime
) -> DeadLetterRetried:
    origin = f"{topics.budget_alerts.name}:{one.alert_partition}:{one.alert_offset}"
    return DeadLetterRetried(
        event_type="DeadLetterRetried",
        dead_letter_id=origin,
        event_ids=(one.alert_id,),
        retried_at=now,
    )
