"""The newest calls with what they used, as SQL over `charges`: text in and text out."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from taximeter_schemas.usage import Usage
from taximeter_sinks.dimensions import Only, chosen

__all__ = ["CALL_FACTS", "UNITS", "recent_calls_query"]

CALL_FACTS: Final = (
    "provider",
    "model",
    "service_tier",
    "endpoint",
    "conversation_id",
    "occurred_at",
)
"""What a row says before its units."""

UNITS: Final = tuple(Usage.model_fields)


def recent_calls_query(
    most: int,
    start: datetime | None = None,
    end: datetime | None = None,
    only: Only | None = None,
) -> str:
    """Return the query for the newest calls, as recorded, the oldest of them first."""
    where = chosen(start, end, only)
    units = ", ".join(f"coalesce({unit}, 0) AS {unit}" for unit in UNITS)
    return f"""
        SELECT {", ".join(CALL_FACTS)}, {units} FROM (
            SELECT * FROM charges {where} AND kind = 'charge'
            ORDER BY occurred_at DESC, event_id LIMIT {int(most)}
        ) ORDER BY occurred_at, event_id
    """  # noqa: S608
