"""The delivery log as rows of the ledger's `deliveries`: pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import pyarrow as pa

from taximeter_schemas.deliveries import (
    AlertDelivered,
    AlertDeliveryFailed,
    AlertResendRequested,
    AlertRouted,
    AlertsRead,
    delivery_event_adapter,
)
from taximeter_sinks.decode import RawRecord

__all__ = ["DELIVERY_COLUMNS", "delivery_row"]

DELIVERY_COLUMNS: Final = pa.schema(
    [
        ("delivery_id", pa.string()),
        ("alert_id", pa.string()),
        ("route", pa.string()),
        ("state", pa.string()),
        ("changed_at", pa.timestamp("us", tz="UTC")),
        ("attempts", pa.int64()),
        ("message_id", pa.string()),
        ("reason", pa.string()),
    ]
)


def delivery_row(record: RawRecord) -> dict[str, Any] | None:
    """Return the row that a record of the delivery log becomes, if it is one.

    Raises:
        ValidationError: it is no event of the log.
    """
    event = delivery_event_adapter.validate_json(record.value or b"")
    match event:
        case AlertsRead():
            return None
        case AlertRouted():
            state, at, reason = "waiting", event.attempted_at or event.routed_at, None
        case AlertResendRequested():
            return _row(event.routed(), "waiting", event.requested_at)
        case AlertDelivered():
            state, at, reason = "delivered", event.delivered_at, None
        case AlertDeliveryFailed():
            state, at, reason = "failed", event.failed_at, event.reason
    return _row(event, state, at, reason)


def _row(
    event: AlertRouted | AlertDelivered | AlertDeliveryFailed,
    state: str,
    at: datetime,
    reason: str | None = None,
) -> dict[str, Any]:
    return {
        "delivery_id": event.key.decode(),
        "alert_id": str(event.alert_id),
        "route": event.route,
        "state": state,
        "changed_at": at,
        "attempts": event.attempts,
        "message_id": str(event.message_id) if event.message_id else None,
        "reason": reason,
    }
