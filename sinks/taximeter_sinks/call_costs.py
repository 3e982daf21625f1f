"""What calls cost one by one, as SQL over `charges`: pure, text in and text out.

What a call costs is its charge and whatever was added to it since: a correction of its
usage, a price that came later. A median over charges alone would not be of that.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from taximeter_sinks.charge_sums import charges_table
from taximeter_sinks.dimensions import (
    Only,
    chosen,
    keys,
    order,
    placed_in_time,
    places,
    quoted,
)
from taximeter_sinks.quick_sums import QUICK_SINCE
from taximeter_sinks.spend import spend_query

__all__ = ["CALL_FIGURES", "call_costs_query", "calls_query"]

CALL_FIGURES: Final = ("priced_tokens", "ok_calls", "median_usd", "p95_usd")
"""What `call_costs_query` says behind the sums of `spend_query`.

`priced_tokens` are those of calls that have a price: what a price for a thousand
tokens is made of. A quantile is what one of the calls did cost, none in between.
"""

_TOKENS: Final = "(input_tokens + output_tokens)"


def call_costs_query(
    by: Sequence[str],
    start: datetime | None = None,
    end: datetime | None = None,
    time_zone: str = "UTC",
    limit: int | None = None,
    version: int = QUICK_SINCE,
    only: Only | None = None,
) -> str:
    """Return the query for spend, as `spend_query`, and for what a call costs.

    Raises:
        ConfigurationError: for an unknown dimension or time zone.
    """
    spend = spend_query(by, start, end, time_zone, limit, version, only)
    charges, where = charges_table(version), chosen(start, end, only)
    source = placed_in_time(charges, by, time_zone, where, _with_net(charges, where))
    same = " AND ".join(f"s.{n} IS NOT DISTINCT FROM f.{n}" for n in quoted(by))
    query = f"""
        SELECT s.*, priced_tokens, ok_calls, quantiles[1] AS median_usd,
            quantiles[2] AS p95_usd
        FROM ({spend}) AS s JOIN (
            SELECT {keys(by)}
                coalesce(sum({_TOKENS}) FILTER (net_usd IS NOT NULL), 0)::BIGINT
                    AS priced_tokens,
                count(*) FILTER (kind = 'charge' AND status = 'ok') AS ok_calls,
                quantile_disc(net_usd, [0.5, 0.95]) FILTER (kind = 'charge')
                    AS quantiles
            FROM {source} {f"GROUP BY {places(by)}" if by else ""}
        ) AS f ON {same or "true"}
    """  # noqa: S608
    return f"SELECT * FROM ({query}) ORDER BY {order(by)}" if by else query  # noqa: S608


def calls_query(
    start: datetime | None = None,
    end: datetime | None = None,
    limit: int = 10,
    version: int = QUICK_SINCE,
    only: Only | None = None,
) -> str:
    """Return the query for single calls, the dearest first, those with a price."""
    charges = _with_net(charges_table(version), chosen(start, end, only))
    return f"""
        SELECT net_usd AS cost_usd, occurred_at, user_id AS user, project_id AS project,
            provider, model, endpoint, conversation_id AS conversation, status,
            (input_tokens + coalesce(added_input, 0))::BIGINT AS input_tokens,
            (output_tokens + coalesce(added_output, 0))::BIGINT AS output_tokens,
            duration_ms, event_id::VARCHAR AS event_id
        FROM {charges} WHERE kind = 'charge' AND net_usd IS NOT NULL
        ORDER BY net_usd DESC, occurred_at, event_id LIMIT {int(limit)}
    """  # noqa: S608


def _with_net(charges: str, where: str) -> str:
    """Return charges with `net_usd`: what the call cost with all that was added."""
    return f"""(
        SELECT * EXCLUDE (call_id), CASE WHEN added_usd IS NULL THEN cost_usd
            ELSE coalesce(cost_usd, 0) + added_usd END AS net_usd
        FROM (SELECT * FROM {charges} {where}) AS chosen LEFT JOIN (
            SELECT adjusts AS call_id, sum(cost_usd) AS added_usd,
                sum(input_tokens) AS added_input, sum(output_tokens) AS added_output
            FROM {charges} WHERE adjusts IS NOT NULL GROUP BY adjusts
        ) AS since ON since.call_id = chosen.event_id
    )"""  # noqa: S608
