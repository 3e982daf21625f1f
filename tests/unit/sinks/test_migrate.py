"""The ledger's schema version, on databases in memory."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from taximeter_schemas.errors import LedgerTooNew
from taximeter_sinks import migrations
from taximeter_sinks.decode import CHARGES_SCHEMA
from taximeter_sinks.migrate import known_version, migrate, schema_version
from taximeter_sinks.quick_sums import QUICK_SUMS
from tests.unit.sinks.old_ledgers import KEPT_BY_VERSION_1, as_of

HERE = Path("ledger.duckdb")
MIGRATIONS = Path(migrations.__file__).parent


def test_a_second_migration_changes_nothing() -> None:
    """Migrating twice leaves the version and the tables of the first time."""
    with duckdb.connect() as ledger:
        assert schema_version(ledger) == 0
        assert migrate(ledger, HERE) == known_version()
        ledger.execute("INSERT INTO price_versions VALUES ('1', now(), 's', 'h', 1)")
        assert migrate(ledger, HERE) == known_version()
        count = ledger.execute("SELECT count(*) FROM price_versions").fetchone()
        steps = ledger.execute(
            "SELECT max(version), count(*) - count(DISTINCT version) "
            "FROM schema_versions"
        ).fetchone()
    assert count == (1,)
    assert steps == (known_version(), 0)


def test_a_newer_ledger_is_refused() -> None:
    """What this version does not know, it does not write into."""
    with duckdb.connect() as ledger:
        migrate(ledger, HERE)
        ledger.execute("INSERT INTO schema_versions VALUES (999, '0999_future.sql')")
        with pytest.raises(LedgerTooNew, match="999"):
            migrate(ledger, HERE)


def test_dead_letters_of_an_older_ledger_are_kept() -> None:
    """What version 1 kept is all there, open, and can be noted as retried."""
    with duckdb.connect() as ledger:
        as_of(1, ledger)
        ledger.execute(KEPT_BY_VERSION_1)
        before = ledger.execute("SELECT * FROM dead_letters ORDER BY 1").fetchall()

        assert migrate(ledger, HERE) == known_version()

        after = ledger.execute("SELECT * FROM dead_letters ORDER BY 1").fetchall()
        assert after == [(*row, None) for row in before]
        ledger.execute(
            "INSERT INTO dead_letter_retries "
            "VALUES ('usage:0:8', [uuid()], false, '2026-11-22T12:00:00Z')"
        )
        still_open = "SELECT dead_letter_id FROM dead_letters WHERE retried_at IS NULL"
        assert ledger.execute(still_open).fetchall() == [("usage:0:7",)]


def test_what_was_charged_before_is_what_the_list_said() -> None:
    """Charges of an older ledger have a list cost: their own, and none where none."""
    with duckdb.connect() as ledger:
        as_of(3, ledger)
        names = [column[0] for column in ledger.execute("FROM charges").description]
        known = {"tags": "MAP {}", "event_id": "uuid()", "adjusts": "NULL"}
        for cost in ("0.5", "NULL"):
            said = {**known, "cost_usd": cost}
            values = ", ".join(said.get(n, _of_type(ledger, n)) for n in names)
            ledger.execute(f"INSERT INTO charges VALUES ({values})")
        migrate(ledger, HERE)
        rows = ledger.execute("SELECT cost_usd, list_cost_usd FROM charges").fetchall()
    assert rows == [(Decimal("0.5"), Decimal("0.5")), (None, None)]


def _of_type(ledger: duckdb.DuckDBPyConnection, column: str) -> str:
    """Return some value that a column takes."""
    asked = "SELECT data_type FROM duckdb_columns() WHERE column_name = ?"
    found = ledger.execute(asked, [column]).fetchone()
    assert found is not None
    return {"VARCHAR": "'x'", "TIMESTAMP WITH TIME ZONE": "now()"}.get(found[0], "0")


def test_the_table_has_the_columns_that_are_decoded() -> None:
    """Decoder and migration name the same columns in the same order, then come sums."""
    with duckdb.connect() as ledger:
        migrate(ledger, HERE)
        columns = ledger.execute("SELECT * FROM charges").description
    named = [column[0] for column in columns]
    assert named == [*CHARGES_SCHEMA.names, *QUICK_SUMS]
