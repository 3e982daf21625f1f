"""What became of an alert on its way to people: the delivery log.

The `deliveries` topic is compacted and has one record for each alert and route, the
latest counting, and one for each partition of the alerts that was read. It is all
that `taximeter notify` remembers: whoever reads it to its end knows what is still to
be delivered, and to whom. No event here holds an address or a secret.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import Field, TypeAdapter

from taximeter_schemas.fields import Count, Event, Moment, Name

__all__ = [
    "AlertDelivered",
    "AlertDeliveryFailed",
    "AlertResendRequested",
    "AlertRouted",
    "AlertsRead",
    "DeliveryEvent",
    "delivery_event_adapter",
    "delivery_key",
]


def delivery_key(alert_id: UUID, route: str) -> str:
    """Return the record key of an alert's delivery by a route.

    >>> delivery_key(UUID(int=1), "ops")
    '00000000-0000-0000-0000-000000000001:ops'
    """
    return f"{alert_id}:{route}"


class AlertRouted(Event):
    """An alert is to be delivered by a route, and has not been yet.

    Written when the alert is read, and again before each attempt: `attempts` counts
    those that were begun, and `message_id` is the message that the alert went into.
    A message is repeated with the same alerts and the same id. `alert` is the alert
    as it stands in `budget-alerts`, at `alert_partition` and `alert_offset`.
    """

    event_type: Literal["AlertRouted"]
    schema_version: Literal[1] = 1
    alert_id: UUID
    route: Name
    routed_at: Moment
    attempts: Count = 0
    attempted_at: Moment | None = None
    message_id: UUID | None = None
    alert_partition: Count
    alert_offset: Count
    alert: str

    @property
    def key(self) -> bytes:
        """Return the record key."""
        return delivery_key(self.alert_id, self.route).encode()


class AlertDelivered(Event):
    """A route's target accepted the message that held the alert."""

    event_type: Literal["AlertDelivered"]
    schema_version: Literal[1] = 1
    alert_id: UUID
    route: Name
    message_id: UUID
    attempts: Count
    delivered_at: Moment

    @property
    def key(self) -> bytes:
        """Return the record key."""
        return delivery_key(self.alert_id, self.route).encode()


class AlertDeliveryFailed(Event):
    """The last attempt at delivering the alert failed; it is a dead letter now.

    `reason` is what the target said, without any secret.
    """

    event_type: Literal["AlertDeliveryFailed"]
    schema_version: Literal[1] = 1
    alert_id: UUID
    route: Name
    message_id: UUID | None = None
    attempts: Count
    failed_at: Moment
    reason: str

    @property
    def key(self) -> bytes:
        """Return the record key."""
        return delivery_key(self.alert_id, self.route).encode()


class AlertResendRequested(Event):
    """Somebody wants an alert to be delivered whose last attempt had failed.

    The route attempts it anew. What has been delivered, or still waits, stays as it
    is. It has a key of its own, so that compaction never
    leaves it as the last word on an alert that was delivered meanwhile.
    """

    event_type: Literal["AlertResendRequested"]
    schema_version: Literal[1] = 1
    alert_id: UUID
    route: Name
    requested_at: Moment
    alert_partition: Count
    alert_offset: Count
    alert: str

    @property
    def key(self) -> bytes:
        """Return the record key."""
        return f"resend:{delivery_key(self.alert_id, self.route)}".encode()

    def routed(self) -> AlertRouted:
        """Return the alert as it waits then."""
        return AlertRouted(
            event_type="AlertRouted",
            alert_id=self.alert_id,
            route=self.route,
            routed_at=self.requested_at,
            alert_partition=self.alert_partition,
            alert_offset=self.alert_offset,
            alert=self.alert,
        )


class AlertsRead(Event):
    """Every alert of a partition below `next_offset` has been given to its routes."""

    event_type: Literal["AlertsRead"]
    schema_version: Literal[1] = 1
    partition: Count
    next_offset: Count
    read_at: Moment

    @property
    def key(self) -> bytes:
        """Return the record key."""
        return f"read:{self.partition}".encode()


DeliveryEvent = (
    AlertRouted
    | AlertDelivered
    | AlertDeliveryFailed
    | AlertResendRequested
    | AlertsRead
)

delivery_event_adapter: Final[TypeAdapter[DeliveryEvent]] = TypeAdapter(
    Annotated[DeliveryEvent, Field(discriminator="event_type")]
)
