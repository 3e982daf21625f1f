"""A message: some alerts for one route, with an id by which a repeat is known. Pure."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

from taximeter.notify.alert import Alert, Severity
from taximeter.notify.templates import Texts, worst
from taximeter_schemas.ids import derived_id

__all__ = ["Detail", "Known", "Message", "message_id_of", "signature"]


class Detail(NamedTuple):
    """What is known of an alert besides itself: lines, and fields of its event."""

    lines: Sequence[str] = ()
    fields: Mapping[str, object] = MappingProxyType({})


Known = Mapping[UUID, Detail]
"""What is known of some alerts, by their ids."""


@dataclass(frozen=True)
class Message:
    """What a target is given; the same alerts make a message of the same id."""

    message_id: UUID
    route: str
    alerts: tuple[Alert, ...]
    title: str
    body: str
    more: Known = field(default_factory=dict[UUID, Detail])

    @classmethod
    def of(
        cls,
        message_id: UUID,
        route: str,
        alerts: Sequence[Alert],
        texts: Texts,
        details: Known | None = None,
    ) -> Message:
        """Return the message with these alerts, in the order in which they came.

        `details` are what is known besides of some of them.
        """
        known = details or {}
        lines = {alert_id: one.lines for alert_id, one in known.items()}
        return cls(
            message_id,
            route,
            tuple(alerts),
            texts.titled(alerts, route),
            texts.body(alerts, lines),
            known,
        )

    @property
    def severity(self) -> Severity:
        """The gravest severity in it."""
        return worst(self.alerts)

    def as_json(self) -> bytes:
        """Return what a webhook is posted: the words, and the alerts.

        An alert stands there as it was raised, with what is known of it besides.
        """
        fields = {
            "message_id": str(self.message_id),
            "route": self.route,
            "severity": self.severity,
            "title": self.title,
            "body": self.body,
            "alerts": [
                {**alert.fields, **self.more.get(alert.alert_id, Detail()).fields}
                for alert in self.alerts
            ],
        }
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()


def message_id_of(route: str, alert_ids: Iterable[UUID]) -> UUID:
    """Return the id of the message that takes these alerts along a route.

    >>> a, b = UUID(int=1), UUID(int=2)
    >>> message_id_of("ops", [a, b]) == message_id_of("ops", [b, a])
    True
    """
    return derived_id("message", route, *sorted(map(str, alert_ids)))


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """Return HMAC-SHA256 over the time in seconds, a full stop, and the body, in hex.

    >>> signature("secret", 1767225600, b"{}")[:16]
    'fa7eaa06bf97d781'
    """
    signed = str(timestamp).encode() + b"." + body
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
