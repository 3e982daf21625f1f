"""The alerts that the ledger holds, each with what it says in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from taximeter.alert_words import alert_words
from taximeter_schemas.alerts import Alert, BudgetThresholdCrossed, alert_adapter
from taximeter_sinks.queries import Ledger

__all__ = ["raised_alert", "raised_alerts"]


def raised_alerts(ledger: Ledger, limit: int) -> list[dict[str, Any]]:
    """Return the newest alerts, newest first: the ledger's columns, and `words`."""
    return [row | {"words": _words(row)} for row in ledger.alerts(limit).named()]


def raised_alert(ledger: Ledger, alert_id: UUID) -> Alert | None:
    """Return an alert; None if the ledger has none of that id that can be read."""
    rows = ledger.alert(alert_id).named()
    return _alert(rows[0]) if rows else None


def _words(row: Mapping[str, Any]) -> str:
    alert = _alert(row)
    kind = str(row.get("event_type") or "an alert")
    return kind if alert is None else alert_words(alert)


def _alert(row: Mapping[str, Any]) -> Alert | None:
    """Return the event of a row; rows of an older release hold its fields only."""
    try:
        if text := row.get("event"):
            return alert_adapter.validate_json(text)
        known = {n: v for n, v in row.items() if v is not None}
        fields = {n: known.get(n) for n in BudgetThresholdCrossed.model_fields}
        given = {
            n: v for n, v in fields.items() if n in known or n.startswith("period_")
        }
        return BudgetThresholdCrossed.model_validate(given)
    except ValidationError:
        return None
