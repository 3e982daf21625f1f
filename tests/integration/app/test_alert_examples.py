"""The subscriber that docs/alerts.md shows, against a real Kafka."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from taximeter.broker.topic_io import publish
from taximeter_schemas.topics import Topics
from tests.alerting import a_crossing
from tests.builders import an_id
from tests.running_system import environment
from tests.waiting import eventually

GOLDEN = Path(__file__).parents[2] / "contract" / "golden" / "v1"
EXAMPLE = Path(__file__).parents[3] / "examples" / "subscribe_alerts.py"


async def test_the_python_subscriber_acts_once(
    bootstrap: str, topics: Topics, tmp_path: Path
) -> None:
    """It shows each alert once, also one that stands in the topic twice."""
    alert = a_crossing(budget_id="prod")
    record = (b"prod", alert.model_dump_json().encode())
    golden = json.loads((GOLDEN / "DigestDue.json").read_text())
    digest = (b"digest", json.dumps(golden | {"alert_id": str(an_id())}).encode())
    last = (b"last", a_crossing(budget_id="last").model_dump_json().encode())
    await publish(bootstrap, topics.budget_alerts, [record, record, digest, last])
    out = tmp_path / "out"
    with out.open("wb") as file:
        subscriber = subprocess.Popen(
            [sys.executable, str(EXAMPLE), bootstrap, topics.budget_alerts.name],
            stdout=file,
            env=environment(),
        )
    try:
        eventually(lambda: "last" in out.read_text(), 60)
    finally:
        subscriber.kill()
        subscriber.wait()
    prod, told, _ = out.read_text().splitlines()
    assert prod == (
        "BudgetThresholdCrossed prod: user alice at 80 %, 8.50 of 10.00 USD"
    )
    assert told == (
        "DigestDue week from 2026-11-15T23:00:00Z: 1234.500000000001 USD, 98765 calls"
    )
