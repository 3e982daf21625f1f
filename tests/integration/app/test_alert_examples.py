"""The subscribers that docs/alerts.md shows, against a real Kafka."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from taximeter.broker.topic_io import publish
from taximeter_schemas.topics import Topics
from tests.alerting import a_crossing
from tests.builders import an_id
from tests.other_languages import EXAMPLES, a_go_program
from tests.running_system import environment
from tests.waiting import eventually

GOLDEN = Path(__file__).parents[2] / "contract" / "golden" / "v1"


def go(to: Path) -> list[str]:
    """Return the words that run the subscriber in Go."""
    return [str(a_go_program(EXAMPLES / "subscribe-alerts-go", to))]


def python(to: Path) -> list[str]:
    """Return the words that run the subscriber in Python."""
    del to
    return [sys.executable, str(EXAMPLES / "subscribe_alerts.py")]


# Go's leaves the group that both are in when it is told to stop; it goes first.
@pytest.mark.parametrize("language", [go, python])
async def test_a_subscriber_acts_once(
    language: Callable[[Path], list[str]],
    bootstrap: str,
    topics: Topics,
    tmp_path: Path,
) -> None:
    """It shows each alert once, also one that stands in the topic twice."""
    words = await asyncio.to_thread(language, tmp_path)
    alert = a_crossing(budget_id="prod")
    record = (b"prod", alert.model_dump_json().encode())
    golden = json.loads((GOLDEN / "DigestDue.json").read_text())
    digest = (b"digest", json.dumps(golden | {"alert_id": str(an_id())}).encode())
    last = (b"last", a_crossing(budget_id="last").model_dump_json().encode())
    await publish(bootstrap, topics.budget_alerts, [record, record, digest, last])
    out = tmp_path / "out"
    with out.open("wb") as file:
        subscriber = subprocess.Popen(
            [*words, bootstrap, topics.budget_alerts.name],
            stdout=file,
            env=environment(),
        )
    try:
        eventually(lambda: "last" in out.read_text(), 60)
    finally:
        subscriber.send_signal(signal.SIGINT)
        subscriber.wait(30)
    prod, told, _ = out.read_text().splitlines()
    assert prod == (
        "BudgetThresholdCrossed prod: user alice at 80 %, 8.50 of 10.00 USD"
    )
    assert told == (
        "DigestDue week from 2026-11-15T23:00:00Z: 1234.500000000001 USD, 98765 calls"
    )
