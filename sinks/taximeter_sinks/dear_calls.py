"""Where the money goes, as SQL over `charges`: pure, text in and text out."""

from __future__ import annotations

from datetime import datetime

from taximeter_sinks.charge_sums import unpriced_calls
from taximeter_sinks.dimensions import Only, chosen
from taximeter_sinks.roll_ups import ROLLED_SINCE

__all__ = ["conversations_query", "repeated_prompts_query"]


def conversations_query(
    start: datetime | None = None,
    end: datetime | None = None,
    limit: int = 10,
    version: int = ROLLED_SINCE,
    only: Only | None = None,
) -> str:
    """Return the query for conversations, the dearest first, with their models."""
    where = chosen(start, end, only)
    return f"""
        SELECT conversation_id AS conversation, sum(cost_usd) AS cost_usd,
            count(*) FILTER (kind = 'charge') AS calls,
            {unpriced_calls(version)} AS unpriced_calls,
            string_agg(DISTINCT model, ', ' ORDER BY model) AS models,
            min(occurred_at) AS first_at, max(occurred_at) AS last_at
        FROM charges {where} AND conversation_id IS NOT NULL
        GROUP BY 1 ORDER BY cost_usd DESC NULLS LAST, 1 LIMIT {int(limit)}
    """  # noqa: S608


def repeated_prompts_query(
    start: datetime | None = None,
    end: datetime | None = None,
    limit: int = 10,
    only: Only | None = None,
) -> str:
    """Return the query for prompts that one model was asked more than once.

    `repeats_usd` is what all calls but the first of each did cost, as first charged.
    """
    where = chosen(start, end, only)
    return f"""
        SELECT prompt_hash, provider, model, count(*) AS calls,
            sum(cost_usd) AS cost_usd,
            sum(cost_usd) - arg_min(cost_usd, (occurred_at, event_id)) AS repeats_usd,
            min(occurred_at) AS first_at, max(occurred_at) AS last_at
        FROM charges {where} AND prompt_hash IS NOT NULL AND kind = 'charge'
            AND cost_usd IS NOT NULL
        GROUP BY ALL HAVING count(*) > 1
        ORDER BY repeats_usd DESC, prompt_hash, model LIMIT {int(limit)}
    """  # noqa: S608
