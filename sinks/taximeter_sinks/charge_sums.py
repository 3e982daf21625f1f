"""The sums that reports are made of, as SQL over `charges` of any version: pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from taximeter_sinks.quick_sums import LATER_TOKENS, QUICK_SINCE, with_quick_sums

__all__ = [
    "CALLS",
    "REPRICING_SINCE",
    "TOKENS",
    "charges_table",
    "list_cost",
    "listed",
    "sums",
    "totals",
    "unpriced_calls",
]

CALLS: Final = "count(*) FILTER (kind = 'charge')"
"""How SQL counts calls."""

# Token columns that ledgers have from version 4 on; an older one is read as it is.
_LATER_SINCE: Final = 4
_NOT_YET: Final = ", ".join(f"0::BIGINT AS {name}" for name in LATER_TOKENS)
_OLDER_CHARGES: Final = (
    f"(SELECT {_NOT_YET} WHERE false UNION ALL BY NAME FROM charges)"  # noqa: S608
)

TOKENS: Final = "coalesce(sum(input_tokens) + sum(output_tokens), 0)::BIGINT"
"""How SQL adds up tokens, over `charges_table` of any version."""

_LIST_COST_SINCE: Final = 5

REPRICING_SINCE: Final = 6
"""The first version of the ledger's tables that knows re-pricings."""

_UNPRICED: Final = "count(*) FILTER (kind = 'charge' AND cost_usd IS NULL)"


def sums(
    keys: str, names: Sequence[str], rows: Callable[[str], str], version: int
) -> str:
    """Return sums by keys, which `totals` says or adds up further.

    All rows are added up as if each were usual, which is quick, and what the unusual
    ones change is put right.

    Args:
        keys: the columns to group by, named, each with a comma behind it.
        names: their names.
        rows: what to select from, given one more condition.
        version: that of the ledger's tables.
    """
    grouped = "GROUP BY ALL" if names else ""
    same = " AND ".join(f"u.{name} IS NOT DISTINCT FROM o.{name}" for name in names)
    return f"""
        SELECT {listed(f"u.{name}" for name in names)}
            usual_usd + coalesce(o.cost_usd, 0) AS cost_usd,
            number + coalesce(o.priced, 0) AS priced,
            number + coalesce(o.calls, 0) AS calls,
            coalesce(o.unpriced_calls, 0) AS unpriced_calls,
            input_tokens, output_tokens,
            usual_usd + coalesce(o.list_cost_usd, 0) AS list_cost_usd,
            number + coalesce(o.listed, 0) AS listed,
            coalesce(o.markup_usd, 0) AS markup_usd,
            number + coalesce(o.marked, 0) AS marked,
            coalesce(o.unlisted_calls, 0) AS unlisted_calls
        FROM (
            SELECT {keys}coalesce(sum(usual_cost_usd), 0) AS usual_usd,
                count(*) AS number, sum(input_tokens) AS input_tokens,
                sum(output_tokens) AS output_tokens
            FROM {rows("true")} {grouped}
        ) AS u LEFT JOIN (
            SELECT {keys}{_unusual(list_cost(version), unpriced_calls(version))}
            FROM {rows("unusual")} {grouped}
        ) AS o ON {same or "true"}
    """  # noqa: S608


def totals(added: str = "") -> str:
    """Return the columns of a report out of `sums`, or of their `added` up values.

    A sum over nothing priced is NULL: unpriced is not free.
    """
    return f"""
        CASE WHEN {added}(priced) > 0 THEN {added}(cost_usd) END AS cost_usd,
        coalesce({added}(calls), 0)::BIGINT AS calls,
        coalesce({added}(unpriced_calls), 0)::BIGINT AS unpriced_calls,
        coalesce({added}(input_tokens), 0)::BIGINT AS input_tokens,
        coalesce({added}(output_tokens), 0)::BIGINT AS output_tokens,
        CASE WHEN {added}(listed) > 0 THEN {added}(list_cost_usd) END AS list_cost_usd,
        CASE WHEN {added}(marked) > 0 THEN {added}(markup_usd) END AS markup_usd,
        coalesce({added}(unlisted_calls), 0)::BIGINT AS unlisted_calls
    """


def listed(names: Iterable[str]) -> str:
    """Return names as columns, each with a comma behind it."""
    return "".join(f"{name}, " for name in names)


def _unusual(said: str, unpriced: str) -> str:
    """Return what unusual rows add, and take off what they are not."""
    return f"""
        sum(cost_usd) AS cost_usd, count(cost_usd) - count(*) AS priced,
        {CALLS} - count(*) AS calls, {unpriced} AS unpriced_calls,
        sum({said}) AS list_cost_usd, count({said}) - count(*) AS listed,
        sum(cost_usd - {said}) AS markup_usd,
        count(cost_usd - {said}) - count(*) AS marked,
        count(*) FILTER ({said} IS NULL AND cost_usd IS NOT NULL) AS unlisted_calls
    """


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


def charges_table(version: int) -> str:
    """Return the table of charges, with every column that a report adds up."""
    if version >= QUICK_SINCE:
        return "charges"
    older = "charges" if version >= _LATER_SINCE else _OLDER_CHARGES
    return f"({with_quick_sums(older, list_cost(version))})"
