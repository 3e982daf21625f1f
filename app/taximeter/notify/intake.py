"""Records of `budget-alerts` as deliveries to be made: pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from taximeter.broker.topic_io import TopicRecord
from taximeter.notify.alert import Alert, NotAnAlert, read_alert
from taximeter.notify.config import Route
from taximeter.notify.delivery_log import Step
from taximeter.notify.delivery_state import DeliveryState
from taximeter_schemas.dead_letters import DeadLetter
from taximeter_schemas.deliveries import AlertRouted, AlertsRead, DeliveryEvent
from taximeter_schemas.records import Fault, Origin, dead_letter

__all__ = ["taken_in"]


def taken_in(
    records: Iterable[TopicRecord],
    topic: str,
    routes: Sequence[Route],
    state: DeliveryState,
    now: datetime,
) -> Step:
    """Return what the log has to say of some records: who gets them, how far it goes.

    An alert that comes again goes nowhere; what is no alert becomes a dead letter.
    """
    events: list[DeliveryEvent] = []
    letters: list[DeadLetter] = []
    reached: dict[int, int] = {}
    seen: set[UUID] = set()
    for record in records:
        reached[record.partition] = record.offset + 1
        try:
            alert = read_alert(record.value)
        except NotAnAlert as fault:
            letters.append(_letter(record, topic, fault, now))
            continue
        if alert.alert_id not in seen:
            seen.add(alert.alert_id)
            events += _routed(alert, record, routes, state, now)
    return Step([*events, *_read(reached, now)], letters)


def _routed(
    alert: Alert,
    record: TopicRecord,
    routes: Sequence[Route],
    state: DeliveryState,
    now: datetime,
) -> list[DeliveryEvent]:
    return [
        AlertRouted(
            event_type="AlertRouted",
            alert_id=alert.alert_id,
            route=route.name,
            routed_at=now,
            alert_partition=record.partition,
            alert_offset=record.offset,
            alert=alert.text,
        )
        for route in routes
        if route.match.covers(alert) and not state.knows(alert.alert_id, route.name)
    ]


def _read(reached: dict[int, int], now: datetime) -> list[DeliveryEvent]:
    return [
        AlertsRead(
            event_type="AlertsRead",
            partition=partition,
            next_offset=offset,
            read_at=now,
        )
        for partition, offset in reached.items()
    ]


def _letter(
    record: TopicRecord, topic: str, fault: NotAnAlert, now: datetime
) -> DeadLetter:
    origin = Origin(topic, record.partition, record.offset)
    what = Fault(fault.reason, str(fault), record.value or b"")
    return dead_letter(what, origin, None, now)
