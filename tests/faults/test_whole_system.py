"""Every part killed, twice, in the middle of the stream: the books still agree.

The short run is part of the suite. `make faults` runs the full 100,000 events;
TAXIMETER_FAULT_EVENTS and TAXIMETER_FAULT_SEED choose others.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import threading
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from time import monotonic, sleep

import pytest

from taximeter.audit import AuditResult, audit
from taximeter.reading import open_ledger
from taximeter_producers.kafka import KafkaEmitter
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.topics import Topics
from taximeter_schemas.usage import Usage, UsageRecorded
from tests.builders import a_usage, an_id
from tests.running_system import Running, taximeter
from tests.waiting import eventually

EVENTS = int(os.environ.get("TAXIMETER_FAULT_EVENTS", "20000"))
SEED = int(os.environ.get("TAXIMETER_FAULT_SEED", "1"))

DUPLICATES = 0.03
VICTIMS = ("worker-1", "sink", "broker") * 2
MODELS = (
    ("anthropic", "claude-sonnet-4-5"),
    ("openai", "gpt-4o-mini"),
    ("acme", "a-model-without-a-price"),
)


def the_stream(events: int, seed: int) -> Iterator[UsageRecorded]:
    """Yield the events, some of them twice: at once, or much later."""
    chance, now = random.Random(seed), SystemClock().now()
    later: list[UsageRecorded] = []
    for number in range(events):
        event = an_event(number, chance, now)
        yield event
        if chance.random() < DUPLICATES:
            if chance.random() < 0.5:
                yield event
            else:
                later.append(event)
        if later and chance.random() < DUPLICATES:
            yield later.pop(0)
    yield from later


def an_event(number: int, chance: random.Random, now: datetime) -> UsageRecorded:
    """Return the event of this number, of one of 200 users, of six hours of today.

    A day that ended before a budget was defined is none of that budget's.
    """
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    span = min(now - midnight, timedelta(hours=6))
    provider, model = MODELS[min(number % 20, 2)] if number % 20 < 3 else MODELS[0]
    return a_usage(
        event_id=an_id("whole system", SEED, number),
        occurred_at=now - chance.random() * span,
        provider=provider,
        model=model,
        user_id=f"user-{chance.randrange(200)}",
        project_id=f"project-{chance.randrange(12)}",
        usage=Usage(
            text_input_tokens=chance.randrange(4_000),
            text_output_tokens=chance.randrange(800),
        ),
    )


def budgets(work: Path) -> Path:
    """Write a file of budgets that the stream crosses."""
    file = work / "budgets.yaml"
    file.write_text(
        """
budgets:
  - {id: everything, scope: everything, period: total, limit_usd: 10}
  - {id: each-user, scope: {each: user}, period: day, limit_usd: 0.5}
"""
    )
    return file


class Killer(threading.Thread):
    """Kills each victim once the stream has come so far, and lets it come back."""

    def __init__(self, system: Running, sent: Sequence[UsageRecorded]) -> None:
        super().__init__(daemon=True)
        self.killed: list[str] = []
        self._system = system
        self._sent = sent
        self._chance = random.Random(SEED)

    def run(self) -> None:
        """Wait for the stream to come so far, kill, and go on with the next."""
        for turn, victim in enumerate(VICTIMS, 1):
            due = EVENTS * turn // (len(VICTIMS) + 1)
            eventually(lambda due=due: len(self._sent) >= due, 300)  # type: ignore[misc]
            sleep(self._chance.random())  # somewhere in the middle, not at a mark
            os.kill(self._pid(victim), signal.SIGKILL)
            self.killed.append(victim)

    def _pid(self, victim: str) -> int:
        return eventually(lambda: self._system.pid(victim), 60) or 0


@pytest.fixture
def system(tmp_path: Path) -> Iterator[Running]:
    """Give a running system of this test's own."""
    running = Running(tmp_path / "data")
    try:
        yield running
    finally:
        running.stop()


def test_killing_every_part_twice_loses_nothing_and_counts_nothing_twice(
    system: Running, tmp_path: Path
) -> None:
    """Whatever is killed, each event is charged once and every book agrees."""
    applied = taximeter(
        "budgets", "apply", "--data", str(system.data.path), str(budgets(tmp_path))
    )
    assert applied.returncode == 0, applied.stderr
    sent: list[UsageRecorded] = []
    killer = Killer(system, sent)
    killer.start()
    emit_all(system.urls["kafka"], sent)
    killer.join(300)
    assert killer.killed == list(VICTIMS)
    different = len({event.event_id for event in sent})
    assert different == EVENTS
    eventually(lambda: rows_in(system) == EVENTS, 180)
    result = audited(system)
    assert result.findings == []
    assert result.difference_usd == Decimal(0)
    assert result.total("events") == EVENTS
    assert result.total("unpriced") == sum(number % 20 == 2 for number in range(EVENTS))
    eventually(lambda: alerts_are_right(system), 120)


def emit_all(kafka: str, sent: list[UsageRecorded]) -> None:
    """Send the stream, waiting where the emitter's buffer is full."""
    with KafkaEmitter(kafka, max_pending=20_000) as emitter:
        for event in the_stream(EVENTS, SEED):
            until = monotonic() + 120
            while not emitter.emit(event):
                assert monotonic() < until, emitter.stats()
                sleep(0.01)
            sent.append(event)
        assert emitter.flush(120)
        assert emitter.stats().lost == 0


def rows_in(system: Running) -> int:
    """Return how many charges the ledger has."""
    with open_ledger(system.data, 30) as ledger:
        return ledger.counts()["charges"]


def audited(system: Running) -> AuditResult:
    """Carry out an audit."""
    kafka = system.urls["kafka"]
    return asyncio.run(audit(kafka, Topics(), lambda: open_ledger(system.data, 30)))


def alerts_are_right(system: Running) -> bool:
    """Hold the alerts in the ledger against what the charges say is due."""
    with open_ledger(system.data, 30) as ledger:
        due = ledger.sql(DUE_ALERTS).rows
        raised = ledger.sql(
            "SELECT budget_id, subject_id, threshold_percent FROM alerts "
            "WHERE threshold_percent IS NOT NULL ORDER BY ALL"
        ).rows
    assert raised == due
    return bool(raised)


# Both budgets have one period each that the stream falls into.
DUE_ALERTS = """
WITH spend AS (
    SELECT 'everything' AS budget_id, '' AS subject_id, 10 AS limit_usd,
           sum(cost_usd) AS spent FROM charges
    UNION ALL
    SELECT 'each-user', user_id, 0.5, sum(cost_usd) FROM charges GROUP BY user_id
)
SELECT budget_id, subject_id, threshold_percent
FROM spend, (VALUES (50), (80), (90), (100)) AS t(threshold_percent)
WHERE spent * 100 >= limit_usd * threshold_percent
ORDER BY ALL
"""
