"""What the delivery log says: what was read, what is settled, what still waits.

Pure: events in, state out, in any number of restarts. It is the notifier's only memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from taximeter.notify.alert import Alert, read_alert
from taximeter_schemas.deliveries import (
    AlertDelivered,
    AlertDeliveryFailed,
    AlertResendRequested,
    AlertRouted,
    AlertsRead,
    DeliveryEvent,
    delivery_event_adapter,
)

__all__ = ["DeliveryState", "Waiting", "delivery_event"]


@dataclass(frozen=True)
class Waiting:
    """An alert that a route has not delivered yet; once attempted, with its message."""

    routed: AlertRouted
    alert: Alert

    @property
    def alert_id(self) -> UUID:
        """The alert's id."""
        return self.routed.alert_id

    def attempted(self, message_id: UUID, now: datetime) -> Waiting:
        """Return it as it stands when one more attempt has begun."""
        told = {
            "message_id": message_id,
            "attempts": self.routed.attempts + 1,
            "attempted_at": now,
        }
        return replace(self, routed=self.routed.model_copy(update=told))


@dataclass
class DeliveryState:
    """The deliveries of one installation."""

    waiting: dict[str, dict[UUID, Waiting]] = field(
        default_factory=dict[str, dict[UUID, Waiting]]
    )
    settled: set[tuple[UUID, str]] = field(default_factory=set[tuple[UUID, str]])
    given_up: dict[tuple[UUID, str], AlertDeliveryFailed] = field(
        default_factory=dict[tuple[UUID, str], AlertDeliveryFailed]
    )
    next_offsets: dict[int, int] = field(default_factory=dict[int, int])
    delivered: int = 0

    def apply(self, events: Iterable[DeliveryEvent]) -> None:
        """Take events of the log in, in their order; a repeated one changes nothing."""
        for event in events:
            self._apply(event)

    def knows(self, alert_id: UUID, route: str) -> bool:
        """Tell whether an alert was given to a route before, whatever became of it."""
        waits = alert_id in self.waiting.get(route, {})
        return waits or (alert_id, route) in self.settled

    def of(self, route: str) -> list[Waiting]:
        """Return what waits for a route, in the order in which it came."""
        return list(self.waiting.get(route, {}).values())

    @property
    def failed(self) -> int:
        """How many deliveries were given up."""
        return len(self.given_up)

    @property
    def count(self) -> int:
        """How many deliveries wait."""
        return sum(len(some) for some in self.waiting.values())

    def _apply(self, event: DeliveryEvent) -> None:
        if isinstance(event, AlertsRead):
            before = self.next_offsets.get(event.partition, 0)
            self.next_offsets[event.partition] = max(before, event.next_offset)
            return
        key = (event.alert_id, event.route)
        if isinstance(event, AlertResendRequested):
            self._reopen(event, key)
            return
        if key in self.settled:
            return
        if isinstance(event, AlertRouted):
            self._wait(event)
            return
        self.settled.add(key)
        self.waiting.get(event.route, {}).pop(event.alert_id, None)
        self.delivered += isinstance(event, AlertDelivered)
        if isinstance(event, AlertDeliveryFailed):
            self.given_up[key] = event

    def _reopen(self, event: AlertResendRequested, key: tuple[UUID, str]) -> None:
        """Let what was given up wait anew; compaction may have taken its failure."""
        if self.given_up.pop(key, None) is not None:
            self.settled.discard(key)
        if not self.knows(*key):
            self._wait(event.routed())

    def _wait(self, event: AlertRouted) -> None:
        alert = read_alert(event.alert.encode())
        some = self.waiting.setdefault(event.route, {})
        some[event.alert_id] = Waiting(event, alert)


def delivery_event(value: bytes | None) -> DeliveryEvent:
    """Return the event that a record of the log holds.

    Raises:
        ValidationError: it holds none.
    """
    return delivery_event_adapter.validate_json(value or b"")
