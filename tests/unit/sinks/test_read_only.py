"""What a reader of the ledger may ask, and what not."""

from __future__ import annotations

import pytest

from taximeter_schemas.errors import QueryFailed, QueryRefused
from taximeter_sinks.read_only import check_read_only

ALLOWED = [
    "SELECT 1",
    "select count(*) from charges;",
    "WITH a AS (SELECT 1 AS x) SELECT * FROM a",
    "FROM charges",
    "VALUES (1)",
    "DESCRIBE charges",
    "SHOW TABLES",
    "SUMMARIZE charges",
    "SELECT unnest(map_keys(tags)) FROM charges",
    "SELECT * FROM range(3), unnest([1, 2])",
    "SELECT 'drop table charges; -- quack_stop'",
]

REFUSED = [
    "",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE charges",
    "INSERT INTO charges VALUES (1)",
    "WITH a AS (SELECT 1) INSERT INTO charges SELECT * FROM a",
    "UPDATE charges SET cost_usd = 0",
    "DELETE FROM charges",
    "DROP TABLE charges",
    "CREATE TABLE t (a INT)",
    "BEGIN",
    "CHECKPOINT",
    "ATTACH 'other.duckdb'",
    "COPY charges TO 'charges.csv'",
    "COPY (SELECT 1) TO 'one.csv'",
    "EXPORT DATABASE 'elsewhere'",
    "SET threads = 1",
    "PRAGMA database_list",
    "PRAGMA enable_profiling",
    "CALL quack_stop('quack:localhost')",
    "INSTALL spatial",
    "LOAD spatial",
    "EXPLAIN ANALYZE INSERT INTO charges VALUES (1)",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT (SELECT max(content) FROM READ_TEXT('/etc/passwd'))",
    "SELECT 1 LIMIT (SELECT count(*) FROM glob('*'))",
    "WITH a AS (FROM read_blob('x')) FROM a",
    "SELECT * FROM query('DROP TABLE charges')",
    "SELECT * FROM quack_query('quack:elsewhere', 'SELECT 1')",
    "SELECT * FROM checkpoint()",
    "SELECT write_log('x')",
]


@pytest.mark.parametrize("query", ALLOWED)
def test_one_select_is_allowed(query: str) -> None:
    """Whatever reads tables of the ledger, in every way of writing it."""
    check_read_only(query)


@pytest.mark.parametrize("query", REFUSED)
def test_anything_else_is_refused(query: str) -> None:
    """Writing, more than one statement, files, settings, other servers."""
    with pytest.raises(QueryRefused, match="read-only"):
        check_read_only(query)


def test_what_is_not_sql_is_told_as_that() -> None:
    """A slip of the pen is not called a forbidden query."""
    with pytest.raises(QueryFailed, match="syntax error"):
        check_read_only("SELEKT 1")
