"""Charges summed for bills, as SQL: a row for what has one price on one day."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from taximeter_schemas.usage import Usage
from taximeter_sinks.dimensions import Only, chosen

__all__ = ["BILLED", "UNITS", "billed_days_query"]

UNITS: Final = tuple(Usage.model_fields)

_KEYS: Final = (
    "day",
    "kind",
    "provider",
    "model",
    "service_tier",
    "region",
    "project_id",
    "user_id",
    "tags",
    "price_version",
    "reason",
)
BILLED: Final = (*_KEYS, "input_cost_usd", "output_cost_usd", "list_cost_usd", "calls")
"""What a row says before its units; `tags` is JSON, `day` the date in UTC."""


def billed_days_query(
    start: datetime | None = None,
    end: datetime | None = None,
    only: Only | None = None,
) -> str:
    """Return the query for what has a price; what has none is on no bill."""
    where = chosen(start, end, only)
    units = ", ".join(f"sum(coalesce({name}, 0)) AS {name}" for name in UNITS)
    places = ", ".join(str(n) for n in range(1, len(_KEYS) + 1))
    return f"""
        SELECT (epoch_us(occurred_at) // 86400000000)::INT AS day, kind, provider,
            model, service_tier, region, project_id, user_id,
            to_json(tags)::VARCHAR AS tags, price_version, adjust_reason AS reason,
            sum(input_cost_usd) AS input_cost_usd,
            sum(output_cost_usd) AS output_cost_usd,
            sum(list_cost_usd) AS list_cost_usd,
            count(*) FILTER (kind = 'charge') AS calls, {units}
        FROM charges {where} AND cost_usd IS NOT NULL
        GROUP BY {places} ORDER BY {places}
    """  # noqa: S608
