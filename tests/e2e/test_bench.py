"""`taximeter bench`, as a person runs it, with numbers too small to mean anything."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

TAXIMETER = (sys.executable, "-m", "taximeter.cli")
ROWS = [
    "pricing",
    "pricing_agent",
    "end_to_end",
    "http_ingest",
    "sink",
    "cpu_growth",
    "emit_p50_us",
    "emit_p99_us",
    "import_ms",
    "outage_memory_mib",
    "alert_p99_ms",
    "sql_p99_ms",
    "reserve_p50_ms",
    "reserve_p99_ms",
    "report_ms",
    "month_report_ms",
    "reprice_s",
    "worker_memory_mib",
]
WITH_RATIO = {
    "pricing",
    "pricing_agent",
    "end_to_end",
    "http_ingest",
    "sink",
    "cpu_growth",
}


def _environment(scratch: Path) -> dict[str, str]:
    kept = {"TAXIMETER_BOOTSTRAP"}
    ours = {k: v for k, v in os.environ.items() if k in kept or "TAXIMETER_" not in k}
    return ours | {"TMPDIR": str(scratch)}


@pytest.fixture(scope="module")
def scratch() -> Iterator[Path]:
    """Give a place of its own for what the bench leaves behind."""
    with tempfile.TemporaryDirectory() as path:
        yield Path(path)


@pytest.fixture(scope="module")
def measured(scratch: Path) -> dict[str, Any]:
    """Give what one tiny run printed."""
    # Those of metered calls are in tests/integration/app/test_bench_overhead.py.
    only = ("--only", ",".join(ROWS))
    options = ("--quick", "--events", "500", *only, "--format", "json")
    done = subprocess.run(
        [*TAXIMETER, "bench", *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
        env=_environment(scratch),
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_every_row_is_there(measured: dict[str, Any]) -> None:
    """The rows are those of the table of targets, in its order, each measured."""
    assert [row["name"] for row in measured["rows"]] == ROWS
    assert all(row["value"] >= 0 and row["detail"] for row in measured["rows"])


def test_a_ratio_is_value_over_reference(measured: dict[str, Any]) -> None:
    """Rows with a reference have a ratio that follows from it, the others neither."""
    for row in measured["rows"]:
        if row["name"] in WITH_RATIO:
            assert row["ratio"] == pytest.approx(row["value"] / row["reference"])
        else:
            assert (row["reference"], row["ratio"]) == (None, None)


def test_a_row_says_whether_its_target_is_met(measured: dict[str, Any]) -> None:
    """Targets are numbers, and met or not."""
    for row in measured["rows"]:
        assert isinstance(row["target"], int | float)
        assert row["met"] in (True, False)


def test_the_machine_is_described(measured: dict[str, Any]) -> None:
    """Figures mean nothing without the machine that they are from."""
    machine = measured["machine"]
    assert machine["cores"] >= 1
    assert machine["memory_mib"] > 0
    assert "duckdb" in machine["versions"]


def test_nothing_is_left_behind(measured: dict[str, Any], scratch: Path) -> None:
    """Data directories and the bench's own Kafka are gone."""
    assert measured
    assert list(scratch.glob("taximeter-bench-*")) == []
