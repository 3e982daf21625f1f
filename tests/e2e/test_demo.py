"""`taximeter demo`, as a person runs it: the whole system, up and down again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil
import pytest

from taximeter.state import DataDir
from tests.waiting import eventually

TAXIMETER = (sys.executable, "-m", "taximeter.cli")
PARTS = {"broker", "worker-1", "sink", "api"}


def _environment(temporary: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TAXIMETER_")}
    return kept | {"TMPDIR": str(temporary)}


def _taximeter(
    temporary: Path, *arguments: str, timeout: float = 150
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*TAXIMETER, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
        env=_environment(temporary),
    )


class Kept:
    """What `demo --keep` said, and the system that it left running."""

    def __init__(self, temporary: Path) -> None:
        self.data = DataDir(temporary / "data")
        self.done = _taximeter(
            temporary,
            *("demo", "--events", "2000", "--format", "json"),
            *("--keep", "--data", str(self.data.path)),
        )
        assert self.done.returncode == 0, self.done.stderr
        self.facts: dict[str, Any] = json.loads(self.done.stdout)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    """Give one finished demo whose system still runs."""
    demo = Kept(tmp_path_factory.mktemp("demo"))
    try:
        yield demo
    finally:
        supervisor = int((demo.data.path / "lock").read_text())
        os.kill(supervisor, signal.SIGTERM)
        assert eventually(lambda: not psutil.pid_exists(supervisor), timeout=30)


def test_every_call_is_charged_once(kept: Kept) -> None:
    """All calls are charged, repeats once, none without a price, none dead."""
    facts = kept.facts
    assert facts["events"] == facts["charges"] == 2000
    assert 8 <= facts["duplicates"] <= 40
    assert facts["dead_letters"] == facts["unpriced"] == 0
    assert facts["events_per_second"] > 0


def test_the_audit_is_zero(kept: Kept) -> None:
    """The books agree to the last digit."""
    assert kept.facts["audit_difference_usd"] == "0.000000000000"
    assert kept.facts["audit_ok"] is True


def test_the_cost_is_exact_text(kept: Kept) -> None:
    """The cost is a string of twelve places, and what the seed costs anywhere."""
    assert kept.facts["cost_usd"] == "6.320344590000"


def test_budgets_were_crossed(kept: Kept) -> None:
    """Alerts were raised, and each was told on stderr as it was."""
    told = [line for line in kept.done.stderr.splitlines() if line.startswith("alert ")]
    assert len(told) == kept.facts["alerts"] > 0
    subjects = {line.split()[2] for line in told}
    assert subjects == {"user", "project", "model", "everything"}


def test_the_time_to_sql_was_measured(kept: Kept) -> None:
    """A hundred events were timed from emit to their row."""
    measured = kept.facts["emit_to_sql_ms"]
    assert measured["events"] == 100
    assert 0 < measured["p50"] <= measured["p99"]


def test_a_pipe_stays_plain(kept: Kept) -> None:
    """Nothing that only a terminal understands goes into a pipe."""
    assert "\x1b" not in kept.done.stderr + kept.done.stdout
    assert "\r" not in kept.done.stderr


def test_kept_parts_go_on_running(kept: Kept) -> None:
    """With --keep every part outlives the demo and can be asked."""
    states = {state.name for state in kept.data.states() if state.running}
    assert states == PARTS
    query = "SELECT sum(cost_usd)::VARCHAR AS usd, count(*) AS calls FROM charges"
    done = _taximeter(
        kept.data.path.parent,
        *("sql", query, "--data", str(kept.data.path), "--format", "json"),
    )
    assert json.loads(done.stdout) == [{"usd": kept.facts["cost_usd"], "calls": 2000}]


def test_a_ledger_in_use_is_not_touched(kept: Kept) -> None:
    """A directory with a ledger is refused, in one line."""
    done = _taximeter(
        kept.data.path.parent, "demo", "--data", str(kept.data.path), timeout=30
    )
    assert done.returncode == 1
    assert "already holds a ledger" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_kafka_that_others_use_is_left_clean(kept: Kept, tmp_path: Path) -> None:
    """With --bootstrap it costs the same, on topics of its own that are gone then."""
    kafka = kept.facts["urls"]["kafka"]
    done = _taximeter(
        tmp_path,
        *("demo", "--events", "2000", "--format", "json", "--bootstrap", kafka),
    )
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert Decimal(facts["cost_usd"]) == Decimal(kept.facts["cost_usd"])
    assert facts["charges"] == 2000
    assert facts["audit_difference_usd"] == "0.000000000000"
    assert list(tmp_path.iterdir()) == []
    logs = kept.data.broker / "logs"
    assert eventually(lambda: not _live_topics(logs, "taximeter-demo-"), timeout=30)


def _live_topics(logs: Path, prefix: str) -> list[str]:
    found = [path.name for path in logs.glob(f"{prefix}*")]
    return [name for name in found if not name.endswith("-delete")]


def test_a_report_for_people(tmp_path: Path) -> None:
    """Without a format it ends with total, sections and audit, and nothing is left."""
    done = _taximeter(tmp_path, "demo", "--events", "200", "--seed", "7")
    assert done.returncode == 0, done.stderr
    for words in ("Total", "By model", "By user", "By project", "By day"):
        assert words in done.stdout
    assert "audit: difference 0.000000000000 USD over 200 charges" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "said", "parts"),
    [
        (signal.SIGINT, " of 1,000,000 calls charged", 5),
        (signal.SIGTERM, "starting", 1),
    ],
)
def test_interrupting_leaves_nothing_behind(
    tmp_path: Path, number: signal.Signals, said: str, parts: int
) -> None:
    """Ctrl-C in the middle and SIGTERM at the start stop all and remove all."""
    process = subprocess.Popen(
        [*TAXIMETER, "demo", "--events", "1000000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=_environment(tmp_path),
    )
    assert process.stderr is not None
    for line in process.stderr:
        if said in line and not line.startswith("0 "):
            break

    def started() -> list[psutil.Process]:
        found = psutil.Process(process.pid).children(recursive=True)
        return found if len(found) >= parts else []

    children = eventually(started)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert not any(child.is_running() for child in children)
    assert list(tmp_path.iterdir()) == []


def test_a_part_that_cannot_start(tmp_path: Path) -> None:
    """When the system does not come up, its own words say why, in one line."""
    done = _taximeter(tmp_path, "demo", "--bootstrap", "127.0.0.1:9", timeout=60)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        "error: no Kafka broker answers at 127.0.0.1:9"
    )
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []
