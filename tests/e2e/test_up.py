"""`taximeter up`, as a person runs it: the real parts, in real processes."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from taximeter.state import DataDir
from taximeter_schemas.records import encode_event
from tests.builders import a_usage
from tests.running_system import Running, taximeter
from tests.waiting import eventually


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Give a running system that the tests below share."""
    running = Running(tmp_path_factory.mktemp("up") / "data")
    try:
        yield running
    finally:
        running.process.terminate()
        running.process.communicate(timeout=30)


def test_one_line_says_where_everything_is(up: Running) -> None:
    """The ready line names the API, Kafka, Quack and the data directory."""
    assert up.line.startswith("ready api=http://127.0.0.1:")
    assert up.urls["kafka"].startswith("127.0.0.1:")
    assert up.urls["quack"].startswith("quack:")
    assert up.urls["data"] == str(up.data.path)
    with urlopen(up.urls["api"] + "/healthz") as answer:
        assert answer.status == 200


def test_status_shows_every_part(up: Running) -> None:
    """Every part runs, with its own process id, and Kafka answers."""
    done = taximeter("status", "--data", str(up.data.path), "--format", "json")
    status = json.loads(done.stdout)
    parts = {part["name"]: part for part in status["parts"]}
    assert list(parts) == ["broker", "worker-1", "sink", "api"]
    assert all(part["running"] for part in parts.values())
    assert len({part["pid"] for part in parts.values()}) == 4
    assert status["kafka_answers"]
    assert status["urls"]["api"] == up.urls["api"]


def test_a_second_one_refuses(up: Running) -> None:
    """Two instances never share a data directory; the second says who has it."""
    done = taximeter("up", "--data", str(up.data.path), "--port", "0")
    assert done.returncode == 1
    holder = f"is in use by process {up.process.pid}"
    assert holder in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_emitted_events_are_charged(up: Running) -> None:
    """What emit accepted is counted by a worker and reaches the ledger's sink."""
    data = str(up.data.path)
    good = [encode_event(a_usage()).decode() for _ in range(50)]
    text = "\n".join([*good[:25], "{broken", "", *good[25:]])
    done = taximeter("emit", "-", "--data", data, "--format", "json", text=text)
    assert done.returncode == 1
    assert json.loads(done.stdout) == {"accepted": 50, "rejected": 1}
    assert done.stderr.startswith("line 26: not_json: ")

    def all_caught_up() -> bool:
        status = taximeter("status", "--data", data, "--format", "json").stdout
        lag = json.loads(status)["lag"]
        return {*lag["usage"].values(), *lag["charges"].values()} == {0}

    assert eventually(all_caught_up, timeout=60)


def test_metrics_tell_of_every_part(up: Running) -> None:
    """One scrape of the API has all of them, with lag by topic and partition."""

    def told() -> bool:
        with urlopen(up.urls["api"] + "/metrics") as answer:
            families = text_string_to_metric_families(answer.read().decode())
            samples = [sample for family in families for sample in family.samples]
        parts = {s.labels["part"]: s.value for s in samples if s.name == "taximeter_up"}
        assert parts == dict.fromkeys(("api", "broker", "sink", "worker-1"), 1)
        lag = [s.labels for s in samples if s.name == "taximeter_lag_records"]
        topics = {(labels["part"], labels["topic"]) for labels in lag}
        assert topics >= {
            ("worker-1", "taximeter.usage"),
            ("sink", "taximeter.charges"),
        }
        return True

    assert eventually(told, timeout=30)


@pytest.mark.parametrize("part", ["api", "sink", "worker-1", "broker"])
def test_a_killed_part_comes_back(up: Running, part: str) -> None:
    """A part that is killed is started again and gets ready again."""
    before = up.pid(part)
    assert before is not None
    os.kill(before, signal.SIGKILL)
    assert eventually(lambda: up.pid(part) not in (None, before), timeout=60)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopping_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    """SIGTERM and Ctrl-C end every part, and the exit code is 0."""
    running = Running(tmp_path / "data")
    children = psutil.Process(running.process.pid).children(recursive=True)
    assert len(children) >= 4
    assert running.stop(number) == (0, "")
    assert not any(child.is_running() for child in children)
    assert running.data.states() == []


def test_no_broker_at_the_address(tmp_path: Path) -> None:
    """A bootstrap address where nothing is fails at once, in one line."""
    done = taximeter(
        *("up", "--data", str(tmp_path), "--bootstrap", "127.0.0.1:9"), timeout=20
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: no Kafka broker answers at 127.0.0.1:9")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    """A port that something else holds fails at once, in one line."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = taximeter("up", "--data", str(tmp_path), "--port", port)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: port {port} for the API is taken")
    assert done.stderr.count("\n") == 1
    assert DataDir(tmp_path).states() == []


def test_a_part_that_cannot_start(tmp_path: Path) -> None:
    """What had been started is stopped when a part cannot: here, no ledger."""
    (tmp_path / "ledger.duckdb").mkdir(parents=True)
    done = taximeter("up", "--data", str(tmp_path), "--port", "0", timeout=120)
    assert done.returncode == 1
    assert "error: sink did not start: " in done.stderr
    assert DataDir(tmp_path).states() == []
    assert not [p for p in psutil.process_iter(["cmdline"]) if _names(p, tmp_path)]


def _names(process: psutil.Process, path: Path) -> bool:
    return any(str(path) in word for word in process.info["cmdline"] or [])
