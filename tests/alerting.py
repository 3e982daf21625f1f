"""Alerts for tests of their delivery, and what takes them there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from taximeter.broker.sole_writer import Line
from taximeter.broker.topic_io import TopicRecord
from taximeter.notify.alert import Alert, read_alert
from taximeter.notify.config import NotifyConfig, Route, read_config
from taximeter.notify.delivery_log import DeliveryLog, Step
from taximeter.notify.delivery_state import DeliveryState, Waiting
from taximeter.notify.messages import Message
from taximeter.notify.targets.refused import Refused
from taximeter_schemas.alerts import BudgetThresholdCrossed
from taximeter_schemas.deliveries import AlertRouted
from taximeter_schemas.errors import BrokerUnavailable
from taximeter_schemas.topics import Topics
from tests.builders import NOON, an_id

__all__ = [
    "FakeTarget",
    "Written",
    "a_config",
    "a_crossing",
    "a_record",
    "a_route",
    "a_waiting",
    "an_alert",
]


def a_crossing(**overrides: object) -> BudgetThresholdCrossed:
    """Return a valid alert with the fields given.

    >>> a_crossing(threshold_percent=100).threshold_percent
    100
    """
    fields: dict[str, object] = {
        "alert_id": an_id(),
        "raised_at": NOON,
        "budget_id": "prod",
        "subject_kind": "user",
        "subject_id": "alice",
        "period": "day",
        "period_start": NOON - timedelta(hours=12),
        "period_end": NOON + timedelta(hours=12),
        "threshold_percent": 80,
        "limit_usd": "10.00",
        "spent_usd": "8.50",
    }
    return BudgetThresholdCrossed.model_validate(fields | overrides)


def an_alert(**overrides: object) -> Alert:
    """Return an alert as routes see it: a crossing with more or other fields."""
    known = set(BudgetThresholdCrossed.model_fields)
    own = {name: value for name, value in overrides.items() if name in known}
    event_type = own.pop("event_type", None)
    fields = json.loads(a_crossing(**own).model_dump_json())
    fields |= {name: value for name, value in overrides.items() if name not in known}
    if event_type is not None:
        fields["event_type"] = event_type
    return read_alert(json.dumps(fields).encode())


def a_record(alert: Alert, partition: int = 0, offset: int = 0) -> TopicRecord:
    """Return an alert as it stands in its topic."""
    return TopicRecord(partition, offset, b"prod", alert.text.encode())


def a_waiting(alert: Alert, route: str = "ops", **overrides: object) -> Waiting:
    """Return an alert that waits for a route since noon."""
    fields: dict[str, object] = {
        "event_type": "AlertRouted",
        "alert_id": alert.alert_id,
        "route": route,
        "routed_at": NOON,
        "alert_partition": 0,
        "alert_offset": 0,
        "alert": alert.text,
    }
    return Waiting(AlertRouted.model_validate(fields | overrides), alert)


def a_route(**overrides: object) -> Route:
    """Return a route to the terminal, with the sections given."""
    fields: dict[str, object] = {"name": "ops", "terminal": True}
    return Route.model_validate(fields | overrides)


def a_config(folder: Path, text: str, **environment: str) -> NotifyConfig:
    """Return what a file of this text says, in an environment of its own."""
    file = folder / "notify.yaml"
    file.write_text(text)
    return read_config(file, environment)


@dataclass
class FakeTarget:
    """Keeps what it accepts; refuses for each reason that it was given, once."""

    refusals: list[str] = field(default_factory=list[str])
    sent: list[Message] = field(default_factory=list[Message])

    async def send(self, message: Message) -> None:
        """Take a message, or refuse it."""
        if self.refusals:
            raise Refused(self.refusals.pop(0))
        self.sent.append(message)


@dataclass
class Written:
    """A delivery log that writes nowhere, and can be away for its next writes."""

    lines: list[Line] = field(default_factory=list[Line])
    away: int = 0
    unrecorded: list[Step] = field(default_factory=list[Step])

    async def write(self, lines: Sequence[Line]) -> None:
        """Take lines, all of them."""
        if self.away:
            self.away -= 1
            raise BrokerUnavailable("localhost:1")
        self.lines += lines

    def log(self, state: DeliveryState | None = None) -> DeliveryLog:
        """Return the log that writes here."""
        state = state or DeliveryState()
        return DeliveryLog(Topics(), state, self.write, self.unrecorded, _nobody)

    def events(self) -> list[str]:
        """Return the kinds of the events written, in their order."""
        return [json.loads(line.value)["event_type"] for line in self.lines]


def _nobody(_: DeliveryState) -> None:
    pass
