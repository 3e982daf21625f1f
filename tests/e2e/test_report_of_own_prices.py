"""A report shows what the list says where something else is charged."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from decimal import Decimal
from pathlib import Path

import pytest

from taximeter.cli import main
from taximeter.state import DataDir
from taximeter_schemas.topics import Topics
from taximeter_sinks.duckdb_sink import DuckDBSink
from tests.builders import a_usage
from tests.unit.sinks.charge_builders import a_charge, charges_record


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Write three charges: as listed, marked up, and by a price that no list has."""
    sink = DuckDBSink(DataDir(tmp_path).ledger, Topics())
    calls = [a_usage(user_id=user) for user in ("ada", "bob", "eve")]
    charges = [
        a_charge(0, 0, 0, "1", calls[0]),
        a_charge(0, 1, 0, "2.4", calls[1], list_cost_usd=Decimal(2)),
        a_charge(0, 2, 0, "0.5", calls[2], list_cost_usd=None),
    ]
    sink.add([charges_record([charge], n) for n, charge in enumerate(charges)])
    asyncio.run(sink.flush())
    sink.close()
    return tmp_path


def report(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[str, str]:
    """Return what `taximeter report` prints."""
    with pytest.raises(SystemExit) as ended:
        main(["report", *map(str, arguments)])
    assert not ended.value.code
    told = capsys.readouterr()
    return told.out, told.err


def test_both_sides_are_shown_where_they_differ(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The list's cost, what is on top of it, and how much no list has."""
    out, err = report(capsys, "--data", data, "--by", "user")
    lines = [line.split() for line in out.splitlines()]
    assert lines[0][-3:] == ["list_cost_usd", "markup_usd", "unlisted_calls"]
    assert {line[0]: line[-3:] for line in lines[1:]} == {
        "bob": ["2.000000000000", "0.400000000000", "0"],
        "ada": ["1.000000000000", "0.000000000000", "0"],
        "eve": ["none", "-", "1"],
        "total": ["3.000000000000", "0.400000000000", "1"],
    }
    assert "1 calls have a price that no list has" in err


def test_people_are_spared_the_list_where_nothing_differs(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Programs have the same columns always."""
    later = ("--data", data, "--by", "user", "--from", "2030-01-01")
    assert "list_cost_usd" not in report(capsys, *later)[0]
    out, _ = report(capsys, *later, "--format", "csv")
    columns = next(csv.reader(io.StringIO(out)))
    assert columns[-3:] == ["list_cost_usd", "markup_usd", "unlisted_calls"]
    out, _ = report(capsys, "--data", data, "--format", "json")
    total = json.loads(out)["total"]
    assert (total["cost_usd"], total["list_cost_usd"]) == (
        "3.900000000000",
        "3.000000000000",
    )
