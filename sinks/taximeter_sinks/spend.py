"""Reports of spend as SQL over `charges`: pure, text in and text out.

Values stand in the text as quoted literals, since a served ledger takes whole queries
without parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

from taximeter_sinks.charge_sums import (
    CALLS,
    REPRICING_SINCE,
    charges_table,
    listed,
    sums,
    totals,
)
from taximeter_sinks.dimensions import (
    DIMENSIONS,
    QUARTER,
    Only,
    calendar_of,
    chosen,
    has_many_values,
    is_period,
    keys,
    order,
    placed_in_time,
    places,
    quoted,
)
from taximeter_sinks.roll_ups import ROLLED_SINCE
from taximeter_sinks.rolled_sums import Wanted, rolled_sums, seconds_at_most

__all__ = [
    "DIMENSIONS",
    "LIST_SUMS",
    "SUMS",
    "Part",
    "ProviderCostRow",
    "SpendRow",
    "parts_query",
    "provider_cost_query",
    "spend_query",
    "totals_query",
    "unpriced_query",
]

SUMS: Final = ("cost_usd", "calls", "unpriced_calls", "input_tokens", "output_tokens")
"""What is added up, in the order in which it stands after the dimensions."""

LIST_SUMS: Final = ("list_cost_usd", "markup_usd", "unlisted_calls")
"""What is added up behind them: what the list says, and what makes the difference."""

# What the latest re-pricing of a call has given a price, whatever it was before.
_PRICED_SINCE: Final = """
    EXISTS (
        SELECT 1 FROM charges AS later WHERE later.old_price_version IS NOT NULL
            AND later.adjusts = coalesce(charges.adjusts, charges.event_id)
            AND later.recorded_at >= charges.recorded_at
    )
"""


class SpendRow(NamedTuple):
    """One line of a report; `keys` are the dimensions' values, in their order.

    `cost_usd` is None where nothing in the row has a price, `list_cost_usd` where the
    list has none. `markup_usd` is what own prices and mark-ups add to the list's,
    below 0 what they take off; `unlisted_calls` have a price, and none in the list.
    """

    keys: tuple[object, ...]
    cost_usd: Decimal | None
    calls: int
    unpriced_calls: int
    input_tokens: int
    output_tokens: int
    list_cost_usd: Decimal | None
    markup_usd: Decimal | None
    unlisted_calls: int


# Calls that state what their provider takes, and what corrected them later.
_STATED: Final = "kind = 'charge' AND provider_cost_usd IS NOT NULL"
_BOTH: Final = "cost_usd IS NOT NULL"


class ProviderCostRow(NamedTuple):
    """What providers say that calls cost, beside what the price book says.

    `calls`, `cost_usd` and `provider_cost_usd` are of the calls that have both;
    `unpriced_calls` have only their provider's word, `unpriced_provider_cost_usd`.
    """

    keys: tuple[object, ...]
    calls: int
    cost_usd: Decimal | None
    provider_cost_usd: Decimal | None
    unpriced_calls: int
    unpriced_provider_cost_usd: Decimal | None


def provider_cost_query(
    by: Sequence[str],
    start: datetime | None = None,
    end: datetime | None = None,
    time_zone: str = "UTC",
    limit: int | None = None,
    only: Only | None = None,
) -> str:
    """Return the query for what providers state, over `[start, end)`, as `spend_query`.

    A correction of such a call counts with it. The largest differences come first.

    Raises:
        ConfigurationError: for an unknown dimension or time zone.
    """
    stated = f"SELECT event_id FROM charges WHERE {_STATED}"  # noqa: S608
    where = f"{chosen(start, end, only)} AND "
    where += f"(({_STATED}) OR adjusts IN ({stated}))"
    source = placed_in_time("charges", by, time_zone, where)
    query = f"""
        SELECT {keys(by)}
            count(*) FILTER (kind = 'charge' AND {_BOTH}) AS calls,
            sum(cost_usd) AS cost_usd,
            sum(provider_cost_usd) FILTER ({_BOTH}) AS provider_cost_usd,
            count(*) FILTER (kind = 'charge' AND NOT {_BOTH}) AS unpriced_calls,
            sum(provider_cost_usd) FILTER (NOT {_BOTH}) AS unpriced_provider_cost_usd
        FROM {source}
    """  # noqa: S608
    if by:
        apart = "abs(coalesce(cost_usd - provider_cost_usd, 0)) DESC, "
        largest = "" if any(map(is_period, by)) else apart
        query = f"""
            SELECT * FROM ({query} GROUP BY {places(by)})
            ORDER BY {largest}{places(by)}
        """  # noqa: S608
    return query if limit is None else f"{query} LIMIT {int(limit)}"


def spend_query(
    by: Sequence[str],
    start: datetime | None = None,
    end: datetime | None = None,
    time_zone: str = "UTC",
    limit: int | None = None,
    version: int = ROLLED_SINCE,
    only: Only | None = None,
) -> str:
    """Return the query for spend by these dimensions over `[start, end)`.

    Days, weeks (from Monday) and months are those of `time_zone`, as dates; an hour is
    its local time as text. The dearest come first, or, where a period is asked for,
    the earliest. `version` is that of the ledger's tables; `only` says which calls
    count, all if it says nothing.

    Raises:
        ConfigurationError: for an unknown dimension or time zone.
    """
    query = _rolled(by, start, end, time_zone, version, only)
    query = query or _charged(by, chosen(start, end, only), time_zone, version)
    if by:
        query = f"SELECT * FROM ({query}) ORDER BY {order(by)}"  # noqa: S608
    return query if limit is None else f"{query} LIMIT {int(limit)}"


class Part(NamedTuple):
    """One of several reports that are asked for together, by one dimension."""

    by: str
    start: datetime | None = None
    end: datetime | None = None
    limit: int | None = None


def parts_query(
    parts: Sequence[Part], time_zone: str, only: Only | None, version: int
) -> str:
    """Return one query for several reports: where each row belongs, its key, its sums.

    All see the same charges, so that they agree with each other. Keys are text.

    Raises:
        ConfigurationError: for an unknown dimension or time zone.
    """
    added = ", ".join((*SUMS, *LIST_SUMS))
    each = [
        f"SELECT {place} AS place, {quoted([by])[0]}::VARCHAR AS key, {added} FROM "  # noqa: S608
        f"({spend_query((by,), start, end, time_zone, limit, version, only)})"
        for place, (by, start, end, limit) in enumerate(parts)
    ]
    return " UNION ALL ".join(each)


def totals_query(
    stretches: Sequence[tuple[datetime | None, datetime | None]],
    only: Only | None = None,
    version: int = ROLLED_SINCE,
) -> str:
    """Return one query for the spend of each `[start, end)`, a row each, in order."""
    each = [
        f"SELECT {place} AS place, * FROM "  # noqa: S608
        f"({spend_query((), start, end, version=version, only=only)})"
        for place, (start, end) in enumerate(stretches)
    ]
    return f"{' UNION ALL '.join(each)} ORDER BY place"


def _rolled(
    by: Sequence[str],
    start: datetime | None,
    end: datetime | None,
    time_zone: str,
    version: int,
    only: Only | None,
) -> str | None:
    """Return sums out of a roll-up; None if there is none that has them."""
    seconds = seconds_at_most(by, time_zone)
    apart = by if seconds is None else _apart(by)
    summed = rolled_sums(Wanted(apart, start, end, only, seconds), version)
    if summed is None:
        return None
    if seconds is not None:
        return _placed(summed, by, time_zone)
    grouped = f"GROUP BY {places(by)}" if by else ""
    return f"SELECT {listed(quoted(by))}{totals('sum')} FROM ({summed}) {grouped}"  # noqa: S608


def _charged(by: Sequence[str], where: str, time_zone: str, version: int) -> str:
    """Return sums of the charges themselves.

    Those by periods, unless there are about as many as charges, are added up by
    quarters of an hour before anything else: that leaves few rows to place in time.
    """
    charges = charges_table(version)
    if any(map(is_period, by)) and not any(map(has_many_values, by)):
        apart = _apart(by)
        summed = sums(
            keys(apart),
            quoted(apart),
            lambda which: f"{charges} {where} AND {which}",
            version,
        )
        return _placed(summed, by, time_zone)
    summed = sums(
        keys(by),
        quoted(by),
        lambda which: placed_in_time(charges, by, time_zone, f"{where} AND {which}"),
        version,
    )
    return f"SELECT {listed(quoted(by))}{totals()} FROM ({summed})"  # noqa: S608


def _apart(by: Sequence[str]) -> list[str]:
    return [QUARTER, *(name for name in by if not is_period(name))]


def _placed(summed: str, by: Sequence[str], time_zone: str) -> str:
    """Return sums of quarters of an hour, added up by the periods of a time zone."""
    calendar = calendar_of("sums", by, time_zone)
    return f"""
        WITH sums AS MATERIALIZED ({summed})
        SELECT {listed(quoted(by))}{totals("sum")}
        FROM sums JOIN {calendar} AS calendar USING (quarter) GROUP BY {places(by)}
    """  # noqa: S608


def unpriced_query(version: int = ROLLED_SINCE) -> str:
    """Return the query for what has no price, what is called most first.

    `version` is that of the ledger's tables.
    """
    still = f"AND NOT {_PRICED_SINCE}" if version >= REPRICING_SINCE else ""
    return f"""
        SELECT provider, model, service_tier, unpriced_reason AS reason,
            {CALLS} AS calls, sum(input_tokens)::BIGINT AS input_tokens,
            sum(output_tokens)::BIGINT AS output_tokens,
            min(occurred_at) AS first_seen, max(occurred_at) AS last_seen
        FROM {charges_table(version)} AS charges WHERE cost_usd IS NULL {still}
        GROUP BY ALL ORDER BY calls DESC, provider, model, service_tier, reason
    """  # noqa: S608
