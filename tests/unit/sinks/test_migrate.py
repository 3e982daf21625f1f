"""The ledger's schema version, on databases in memory."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from taximeter_schemas.errors import LedgerTooNew
from taximeter_sinks.decode import CHARGES_SCHEMA
from taximeter_sinks.migrate import known_version, migrate, schema_version

HERE = Path("ledger.duckdb")


def test_a_second_migration_changes_nothing() -> None:
    """Migrating twice leaves the version and the tables of the first time."""
    with duckdb.connect() as ledger:
        assert schema_version(ledger) == 0
        assert migrate(ledger, HERE) == known_version()
        ledger.execute("INSERT INTO price_versions VALUES ('1', now(), 's', 'h', 1)")
        assert migrate(ledger, HERE) == known_version()
        count = ledger.execute("SELECT count(*) FROM price_versions").fetchone()
        steps = ledger.execute("SELECT count(*) FROM schema_versions").fetchone()
    assert count == (1,)
    assert steps == (known_version(),)


def test_a_newer_ledger_is_refused() -> None:
    """What this version does not know, it does not write into."""
    with duckdb.connect() as ledger:
        migrate(ledger, HERE)
        ledger.execute("INSERT INTO schema_versions VALUES (999, '0999_future.sql')")
        with pytest.raises(LedgerTooNew, match="999"):
            migrate(ledger, HERE)


def test_the_table_has_the_columns_that_are_decoded() -> None:
    """Decoder and migration name the same columns in the same order."""
    with duckdb.connect() as ledger:
        migrate(ledger, HERE)
        columns = ledger.execute("SELECT * FROM charges").description
    assert [column[0] for column in columns] == CHARGES_SCHEMA.names
