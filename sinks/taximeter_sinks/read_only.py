"""What a reader may ask: one SELECT, of the ledger and nothing else.

The rule is a SQL macro over DuckDB's own parser, so that the same rule holds in the
sink's process, where Quack calls it for every query that a client sends, and in the
reader's, where it gives a clear answer before anything is sent. What the parser does
not take for a single SELECT is refused, whatever it is; of table functions only those
that make rows, describe the ledger or are macros of ours pass, so none that reads a
file or calls out. Around it, the served database has its access to files and its
configuration locked.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import duckdb

from taximeter_schemas.errors import QueryFailed, QueryRefused

__all__ = ["RULE", "check_read_only", "install_rule"]

RULE: Final = "reading_rule.main.allows"
"""The macro's name, as Quack's authorization setting takes it."""

_TABLE_FUNCTIONS: Final = (
    "range",
    "generate_series",
    "unnest",
    "duckdb_columns",
    "duckdb_tables",
    "duckdb_views",
    # Our own, over the ledger's tables (migrations/0009_reports.sql).
    "spend_by",
    "spend_by_period",
    "cost_of_a_call",
    "expensive_calls",
    "repeated_prompts",
)

_MACRO: Final = f"""
CREATE MACRO {RULE}(session_id, query) AS (
    WITH parsed AS (SELECT json_serialize_sql(query::VARCHAR) AS tree)
    SELECT json_extract_string(tree, '$.error') = 'false'
        AND json_array_length(tree, '$.statements') = 1
        AND list_has_all(
            {list(_TABLE_FUNCTIONS)},
            list_transform(
                json_extract_string(tree, '$..function.function_name'),
                lambda name: lower(name)
            )
        )
        AND len(list_filter(
            json_extract_string(tree, '$..function_name'),
            lambda name: lower(name) LIKE 'quack%'
                OR lower(name) IN ('write_log', 'nextval', 'setseed')
        )) = 0
    FROM parsed
)
"""  # noqa: S608 - of constants only


def install_rule(connection: duckdb.DuckDBPyConnection) -> None:
    """Define the rule in a database of its own, in memory, beside the ledger."""
    connection.execute("ATTACH ':memory:' AS reading_rule")
    connection.execute(_MACRO)


def check_read_only(query: str) -> None:
    """Refuse a query that does more than read.

    Raises:
        QueryRefused: if it is not exactly one SELECT.
        QueryFailed: if it is not SQL.
    """
    with _judge().cursor() as judge:
        allowed = judge.execute(f"SELECT {RULE}('', ?)", [query]).fetchone()
        if allowed != (True,):
            _refuse(judge, query)


@cache
def _judge() -> duckdb.DuckDBPyConnection:
    judge = duckdb.connect()
    install_rule(judge)
    return judge


def _refuse(judge: duckdb.DuckDBPyConnection, query: str) -> None:
    try:
        judge.extract_statements(query)
    except duckdb.ParserException as error:
        raise QueryFailed(str(error)) from error
    raise QueryRefused
