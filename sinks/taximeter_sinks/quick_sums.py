"""What most sums are made of, kept beside the exact amounts: pure, text in and out.

DuckDB unpacks and adds up amounts of 16 bytes, and tokens that stand in 17 columns, ten
times as slowly as numbers of 8 bytes. So each row of `charges` says once more how many
tokens it has, and a usual row what it cost; only the unusual ones are added up in full.
"""

from __future__ import annotations

from typing import Final

from taximeter_schemas.usage import INPUT_TOKENS, OUTPUT_TOKENS

__all__ = ["LATER_TOKENS", "MISSTATED", "QUICK_SINCE", "QUICK_SUMS", "with_quick_sums"]

QUICK_SINCE: Final = 12
"""The first version of the ledger's tables that has these columns."""

QUICK_SUMS: Final = ("input_tokens", "output_tokens", "unusual", "usual_cost_usd")
"""The columns, in the order in which they stand behind the others."""

LATER_TOKENS: Final = (
    "cache_read_explicit_tokens",
    "cache_write_12h_tokens",
    "citation_tokens",
)
"""Columns that came later: NULL in rows from before, or not there at all."""

_INPUT: Final = " + ".join(
    f"coalesce({name}, 0)" if name in LATER_TOKENS else name for name in INPUT_TOKENS
)
_OUTPUT: Final = " + ".join(OUTPUT_TOKENS)


_USUAL_COST: Final = "(CASE WHEN unusual THEN 0 ELSE cost_usd END)"

MISSTATED: Final = (
    f"(input_tokens <> {_INPUT} OR output_tokens <> {_OUTPUT} "
    f"OR usual_cost_usd IS DISTINCT FROM {_USUAL_COST} OR NOT unusual AND "
    f"(adjusts IS NOT NULL OR list_cost_usd IS DISTINCT FROM cost_usd))"
)
"""The condition for rows whose quick sums are not what the row says: there are none."""


def with_quick_sums(rows: str, listed: str = "list_cost_usd") -> str:
    """Return the SELECT of rows with what is quick to add up.

    Besides `input_tokens` and `output_tokens` that is `unusual`, which is false for a
    call with a price below a million dollars that is what the list says, and only for
    such; and `usual_cost_usd`, which is 0 for all others.

    Args:
        rows: what to select from, with the columns of `charges`.
        listed: the column that says what the list says.
    """
    return f"""
        SELECT *, {_INPUT} AS input_tokens, {_OUTPUT} AS output_tokens,
            {_USUAL_COST}::DECIMAL(18, 12) AS usual_cost_usd
        FROM (
            SELECT *, adjusts IS NOT NULL OR cost_usd IS NULL
                OR abs(cost_usd) >= 1000000 OR {listed} IS DISTINCT FROM cost_usd
                AS unusual
            FROM {rows}
        )
    """  # noqa: S608
