"""Views, macros and Arrow of a ledger that a sink serves: as of the file itself."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from taximeter.reports.figures import figure_rows
from taximeter.spend_report import Stretch
from taximeter_schemas.errors import QueryRefused
from taximeter_schemas.topics import Topics
from taximeter_sinks.duckdb_sink import DuckDBSink
from taximeter_sinks.quack import serve, stop_serving
from taximeter_sinks.queries import Ledger
from tests.integration.sinks.reported import write_ledger

TOKEN = "a-token-of-this-test"
TOTAL = Decimal("6.003000000001")


def test_a_served_ledger_answers_the_same(tmp_path: Path) -> None:
    """Macros run in the sink, decimals cross as decimals, and all is read-only."""
    path = write_ledger(tmp_path / "ledger.duckdb")
    sink = DuckDBSink(path, Topics())
    served = serve(sink.ledger, "localhost", 0, TOKEN)
    try:
        with Ledger.open(path, served) as ledger:
            (row,) = ledger.sql("SELECT sum(cost_usd) FROM spend_by('tag:team')").rows
            assert row == (TOTAL,)
            table = ledger.arrow("SELECT cost_usd, tags FROM calls")
            assert sum(filter(None, table.column("cost_usd").to_pylist())) == TOTAL
            assert str(table.schema.field("cost_usd").type) == "decimal128(38, 12)"
            (total,) = figure_rows(ledger, (), Stretch())
            assert (total["cost_usd"], total["median_usd"]) == (TOTAL, Decimal(1))
            days = figure_rows(ledger, ("day",), Stretch(zone="Asia/Tokyo"))
            assert len(days) == 2
            with pytest.raises(QueryRefused):
                ledger.arrow("CREATE MACRO spend_by(x) AS 1")
    finally:
        stop_serving(sink.ledger, served)
        sink.close()
