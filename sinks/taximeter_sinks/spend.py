"""Reports of spend as SQL over `charges`: pure, text in and text out.

Values stand in the text as quoted literals, since a served ledger takes whole queries
without parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

from taximeter_schemas.usage import INPUT_TOKENS, OUTPUT_TOKENS
from taximeter_sinks.dimensions import (
    DIMENSIONS,
    Only,
    chosen,
    is_period,
    keys,
    order,
    placed_in_time,
    places,
)

__all__ = [
    "CALLS",
    "DIMENSIONS",
    "INPUT_OF_ROW",
    "LIST_SUMS",
    "OUTPUT_OF_ROW",
    "REPRICING_SINCE",
    "SUMS",
    "TOKENS",
    "ProviderCostRow",
    "SpendRow",
    "aggregates",
    "charges_table",
    "list_cost",
    "provider_cost_query",
    "spend_query",
    "unpriced_calls",
    "unpriced_query",
]

SUMS: Final = ("cost_usd", "calls", "unpriced_calls", "input_tokens", "output_tokens")
"""What is added up, in the order in which it stands after the dimensions."""

LIST_SUMS: Final = ("list_cost_usd", "markup_usd", "unlisted_calls")
"""What is added up behind them: what the list says, and what makes the difference."""

CALLS: Final = "count(*) FILTER (kind = 'charge')"
"""How SQL counts calls."""

# Token columns that ledgers have from version 4 on; an older one is read as it is.
_LATER: Final = (
    "cache_read_explicit_tokens",
    "cache_write_12h_tokens",
    "citation_tokens",
)
_LATER_SINCE: Final = 4
_NOT_YET: Final = ", ".join(f"0::BIGINT AS {name}" for name in _LATER)
_OLDER_CHARGES: Final = (
    f"(SELECT {_NOT_YET} WHERE false UNION ALL BY NAME FROM charges)"  # noqa: S608
)
_EACH_INPUT: Final = [f"coalesce({n}, 0)" if n in _LATER else n for n in INPUT_TOKENS]
INPUT_OF_ROW: Final = f"({' + '.join(_EACH_INPUT)})"
OUTPUT_OF_ROW: Final = f"({' + '.join(OUTPUT_TOKENS)})"
_INPUT: Final = f"coalesce(sum({INPUT_OF_ROW}), 0)::BIGINT"
_OUTPUT: Final = f"coalesce(sum({OUTPUT_OF_ROW}), 0)::BIGINT"

TOKENS: Final = f"({_INPUT} + {_OUTPUT})"
"""How SQL adds up tokens, over `charges_table` of any version."""

_LIST_COST_SINCE: Final = 5

REPRICING_SINCE: Final = 6
"""The first version of the ledger's tables that knows re-pricings."""

_UNPRICED: Final = "count(*) FILTER (kind = 'charge' AND cost_usd IS NULL)"

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
    version: int = REPRICING_SINCE,
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
    source = placed_in_time(
        charges_table(version), by, time_zone, chosen(start, end, only)
    )
    lines = [f"SELECT {keys(by)}{aggregates(version)} FROM {source}"]  # noqa: S608
    if by:
        lines += [f"GROUP BY {places(by)}", f"ORDER BY {order(by)}"]
    if limit is not None:
        lines.append(f"LIMIT {int(limit)}")
    return "\n".join(lines)


def list_cost(version: int) -> str:
    """Return the column that says what the list says, in a ledger of that version.

    Before it came, nothing but the list's prices was charged.
    """
    return "list_cost_usd" if version >= _LIST_COST_SINCE else "cost_usd"


def unpriced_calls(version: int) -> str:
    """Return how SQL counts calls without a price, in tables of this version.

    A re-pricing that found one takes its call away again.
    """
    priced_since = " - count(old_unpriced_reason)" if version >= REPRICING_SINCE else ""
    return f"{_UNPRICED}{priced_since}"


def aggregates(version: int) -> str:
    """Return the sums of a report, by the names of `SUMS` and `LIST_SUMS`."""
    # A sum over nothing priced stays NULL: unpriced is not free.
    listed = list_cost(version)
    return f"""
        sum(cost_usd) AS cost_usd,
        {CALLS} AS calls,
        {unpriced_calls(version)} AS unpriced_calls,
        {_INPUT} AS input_tokens,
        {_OUTPUT} AS output_tokens,
        sum({listed}) AS list_cost_usd,
        sum(cost_usd - {listed}) AS markup_usd,
        count(*) FILTER ({listed} IS NULL AND cost_usd IS NOT NULL) AS unlisted_calls
    """


def unpriced_query(version: int = REPRICING_SINCE) -> str:
    """Return the query for what has no price, what is called most first.

    `version` is that of the ledger's tables.
    """
    still = f"AND NOT {_PRICED_SINCE}" if version >= REPRICING_SINCE else ""
    return f"""
        SELECT provider, model, service_tier, unpriced_reason AS reason,
            {CALLS} AS calls, {_INPUT} AS input_tokens, {_OUTPUT} AS output_tokens,
            min(occurred_at) AS first_seen, max(occurred_at) AS last_seen
        FROM {charges_table(version)} AS charges WHERE cost_usd IS NULL {still}
        GROUP BY ALL ORDER BY calls DESC, provider, model, service_tier, reason
    """  # noqa: S608


def charges_table(version: int) -> str:
    """Return the table of charges, with every column that a report adds up."""
    return "charges" if version >= _LATER_SINCE else _OLDER_CHARGES
