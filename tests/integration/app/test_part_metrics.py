"""A worker and a sink alone tell of themselves on a port of their own."""

from __future__ import annotations

import subprocess
from pathlib import Path
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from taximeter.metrics.catalogue import CATALOGUE
from taximeter.processes import stopped
from taximeter.state import DataDir
from taximeter_schemas.topics import Topics
from tests.running_system import TAXIMETER, environment, taximeter
from tests.waiting import eventually

pytestmark = pytest.mark.broker


@pytest.mark.parametrize(
    ("part", "metric"),
    [("worker-1", "taximeter_remembered_ids"), ("sink", "taximeter_lag_records")],
)
def test_a_part_alone_serves_its_metrics(
    bootstrap: str, topics: Topics, tmp_path: Path, part: str, metric: str
) -> None:
    """On the port it was given, under the same names, as its state file says."""
    data = DataDir(tmp_path)
    command = [part.removesuffix("-1"), "--data", str(tmp_path), "--metrics-port", "0"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [*TAXIMETER, *command, "--bootstrap", bootstrap, "--prefix", topics.prefix],
            stdout=log,
            stderr=log,
            env=environment(),
        )
    with stopped(process):
        state = eventually(lambda: data.state(part), timeout=40)
        assert state is not None

        def told() -> bool:
            with urlopen(state.urls["metrics"]) as answer:
                text = answer.read().decode()
            families = list(text_string_to_metric_families(text))
            samples = [sample for family in families for sample in family.samples]
            assert {sample.name for sample in samples} <= set(CATALOGUE)
            assert {sample.labels["part"] for sample in samples} == {part}
            assert metric in {sample.name for sample in samples}
            return True

        eventually(told, timeout=30)


def test_a_port_that_is_taken_is_told(bootstrap: str, tmp_path: Path) -> None:
    """In one line, with the way out."""
    port = bootstrap.rpartition(":")[2]
    where = ("--data", str(tmp_path), "--bootstrap", bootstrap)
    done = taximeter("sink", *where, "--metrics-port", port)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"error: metrics cannot be served on 127.0.0.1:{port}")
    assert "--metrics-port" in last
