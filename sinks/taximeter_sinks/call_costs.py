"""What calls cost one by one, as SQL over `charges`: pure, text in and text out.

What a call costs is its charge and whatever was added to it since: a correction of its
usage, a price that came later. A median over charges alone would not be of that.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from taximeter_sinks.charge_sums import charges_table, listed
from taximeter_sinks.dimensions import (
    TAG,
    Only,
    chosen,
    is_period,
    key,
    keys,
    order,
    placed_in_time,
    places,
    quoted,
)
from taximeter_sinks.roll_ups import ROLLED_SINCE
from taximeter_sinks.spend import spend_query

__all__ = ["CALL_FIGURES", "NARROW_LIMIT", "call_costs_query", "calls_query"]

CALL_FIGURES: Final = ("priced_tokens", "ok_calls", "median_usd", "p95_usd")
"""What `call_costs_query` says behind the sums of `spend_query`.

`priced_tokens` are those of calls that have a price: what a price for a thousand
tokens is made of. A quantile is what one of the calls did cost, none in between.
"""

NARROW_LIMIT: Final = Decimal("999999.999999999999")
"""The largest amount that 8 bytes hold: what a narrow quantile is at most."""


_NET: Final = (
    "CASE WHEN added_usd IS NULL THEN cost_usd "
    "ELSE coalesce(cost_usd, 0) + added_usd END"
)


def call_costs_query(
    by: Sequence[str],
    start: datetime | None = None,
    end: datetime | None = None,
    time_zone: str = "UTC",
    limit: int | None = None,
    version: int = ROLLED_SINCE,
    only: Only | None = None,
    *,
    narrow: bool = False,
) -> str:
    """Return the query for spend, as `spend_query`, and for what a call costs.

    Args:
        by: the dimensions.
        start: the earliest event time.
        end: what comes behind the latest one.
        time_zone: whose days they are.
        limit: at most so many rows.
        version: that of the ledger's tables.
        only: which calls count.
        narrow: have quantiles in 8 bytes, in half the time. One that is
            `NARROW_LIMIT`, above or below 0, may be larger: ask again without this.

    Raises:
        ConfigurationError: for an unknown dimension or time zone.
    """
    spend = spend_query(by, start, end, time_zone, limit, version, only)
    charges, where = charges_table(version), chosen(start, end, only)
    costs = placed_in_time(
        charges, by, time_zone, where, _net_costs(by, charges, where, narrow=narrow)
    )
    odd = f"{where} AND (unusual OR status <> 'ok')"
    others = placed_in_time(charges, by, time_zone, odd, _others(by, charges, where))
    grouped = f"GROUP BY {places(by)}" if by else ""
    query = f"""
        WITH added AS MATERIALIZED (
            SELECT adjusts AS call_id, sum(cost_usd) AS added_usd FROM {charges}
            WHERE adjusts IS NOT NULL AND cost_usd IS NOT NULL GROUP BY adjusts
        )
        SELECT s.*, input_tokens + output_tokens - coalesce(unpriced_tokens, 0)
                AS priced_tokens,
            calls - coalesce(failed_calls, 0) AS ok_calls,
            quantiles[1] AS median_usd, quantiles[2] AS p95_usd
        FROM ({spend}) AS s LEFT JOIN (
            SELECT {keys(by)} quantile_disc(net_usd, [0.5, 0.95]) AS quantiles
            FROM {costs} {grouped}
        ) AS c ON {_same("c", by)} LEFT JOIN (
            SELECT {keys(by)} sum(unpriced_tokens)::BIGINT AS unpriced_tokens,
                count(*) FILTER (failed) AS failed_calls
            FROM {others} {grouped}
        ) AS o ON {_same("o", by)}
    """  # noqa: S608
    return f"SELECT * FROM ({query}) ORDER BY {order(by)}" if by else query  # noqa: S608


def _same(other: str, by: Sequence[str]) -> str:
    named = quoted(by)
    same = [f"s.{name} IS NOT DISTINCT FROM {other}.{name}" for name in named]
    return " AND ".join(same) or "true"


def calls_query(
    start: datetime | None = None,
    end: datetime | None = None,
    limit: int = 10,
    version: int = ROLLED_SINCE,
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


def _net_costs(by: Sequence[str], charges: str, where: str, *, narrow: bool) -> str:
    """Return calls with `net_usd`: their cost with all that was added since.

    A usual call that nothing was added to says its cost in 8 bytes; only the others are
    looked at more closely.
    """
    usual = "usual_cost_usd" if narrow else "usual_cost_usd::DECIMAL(38, 12)"
    net = "coalesce(cost_usd, 0) + added_usd"
    more = _narrowed(net) if narrow else net
    unusual = _narrowed(_NET) if narrow else _NET
    # Named one by one: behind a UNION DuckDB would read all columns for a *.
    columns = _columns(by)
    return f"""(
        SELECT {columns}{usual} AS net_usd
        FROM {charges} ANTI JOIN added ON call_id = event_id {where} AND NOT unusual
        UNION ALL
        SELECT {columns}{more}
        FROM {charges} JOIN added ON call_id = event_id {where} AND NOT unusual
        UNION ALL
        SELECT {columns}CASE WHEN kind = 'charge' THEN {unusual} END
        FROM {charges} LEFT JOIN added ON call_id = event_id {where} AND unusual
    )"""  # noqa: S608


def _others(by: Sequence[str], charges: str, where: str) -> str:
    """Return what `failed`, and what has no price with its `unpriced_tokens`."""
    columns = _columns(by)
    return f"""(
        SELECT {columns}kind = 'charge' AS failed, 0 AS unpriced_tokens
        FROM {charges} {where} AND status <> 'ok'
        UNION ALL
        SELECT {columns}false, input_tokens + output_tokens
        FROM {charges} LEFT JOIN added ON call_id = event_id
        {where} AND unusual AND {_NET} IS NULL
    )"""  # noqa: S608


def _columns(by: Sequence[str]) -> str:
    return listed(dict.fromkeys(["occurred_at", *map(_column, by)]))


def _column(dimension: str) -> str:
    """Return the column that a dimension is read from."""
    if is_period(dimension):
        return "occurred_at"
    return "tags" if dimension.startswith(TAG) else key(dimension)


def _narrowed(amount: str) -> str:
    bounded = f"greatest(least({amount}, {NARROW_LIMIT}), -{NARROW_LIMIT})"
    return f"(CASE WHEN {amount} IS NOT NULL THEN {bounded} END)::DECIMAL(18, 12)"


def _with_net(charges: str, where: str) -> str:
    """Return charges with `net_usd`: what the call cost with all that was added."""
    return f"""(
        SELECT * EXCLUDE (call_id), {_NET} AS net_usd
        FROM (SELECT * FROM {charges} {where}) AS chosen LEFT JOIN (
            SELECT adjusts AS call_id, sum(cost_usd) AS added_usd,
                sum(input_tokens) AS added_input, sum(output_tokens) AS added_output
            FROM {charges} WHERE adjusts IS NOT NULL GROUP BY adjusts
        ) AS since ON since.call_id = chosen.event_id
    )"""  # noqa: S608
