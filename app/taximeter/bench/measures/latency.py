"""Rows `alert_p99_ms` and `sql_p99_ms`: how soon the world knows of a call.

1,000 events a second; each twentieth is a probe: the first call of a user of whom
nothing was known, under a budget that any call exceeds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from threading import Event
from time import perf_counter, sleep
from typing import Final

from taximeter.bench.emitting import paced
from taximeter.bench.quantiles import quantile
from taximeter.bench.rows import Row, row
from taximeter.bench.stage import Bench, Part, Stage, until
from taximeter.bench.traffic import Traffic
from taximeter.broker.topic_io import follow_topic, publish
from taximeter.reading import open_ledger
from taximeter_producers.kafka import KafkaEmitter
from taximeter_schemas.alerts import BudgetThresholdCrossed, alert_adapter
from taximeter_schemas.budgets import BudgetDefined
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.subjects import Scope
from taximeter_sinks.queries import Ledger

__all__ = ["measure"]

_PER_SECOND: Final = 1_000
_PROBE_EVERY: Final = 20
_POLL_SECONDS: Final = 0.025
_WARM_UP_EVENTS: Final = 1_000
_USERS: Final = 200
_PATIENCE_SECONDS: Final = 60.0
_MS: Final = 1_000


async def measure(bench: Bench, stage: Stage, sink: Part) -> list[Row]:
    """Return both rows, from one run; every charge of it is committed in the end."""
    seconds = bench.sizes.latency_seconds
    bench.say(f"latencies, {seconds:g} s at {_PER_SECOND:,} events/s")
    count = int(seconds * _PER_SECOND)
    await publish(stage.bootstrap, stage.topics.budgets, [_budget()])
    run = _Run(stage, bench.traffic(_USERS))
    await run.warm_up()
    await run.probed(count)
    rows = _WARM_UP_EVENTS + count
    await until(lambda: sink.facts.get("rows", 0) >= rows, "every row committed")
    return [
        _row("alert_p99_ms", run.alerts, "read by a consumer"),
        _row("sql_p99_ms", run.rows, "seen over Quack, asked every 25 ms"),
    ]


class _Sightings:
    """When each probe was emitted, and when it was first seen."""

    def __init__(self) -> None:
        self._emitted: dict[str, float] = {}
        self._seen: dict[str, float] = {}

    def emitted(self, probe: str) -> None:
        self._emitted[probe] = perf_counter()

    def seen(self, probe: str) -> None:
        if probe in self._emitted:
            self._seen.setdefault(probe, perf_counter())

    def complete(self) -> bool:
        return len(self._seen) == len(self._emitted)

    def first_unseen(self) -> str:
        """Return the earliest probe that is out; their names are in order."""
        unseen = self._emitted.copy().keys() - self._seen.keys()
        return min(unseen, default="probe")

    def latencies_ms(self) -> list[float]:
        return [(at - self._emitted[probe]) * _MS for probe, at in self._seen.items()]


class _Run:
    """Emits, and looks out for alerts and rows at the same time."""

    def __init__(self, stage: Stage, traffic: Traffic) -> None:
        self.alerts = _Sightings()
        self.rows = _Sightings()
        self._stage = stage
        self._traffic = traffic

    async def warm_up(self) -> None:
        """Have every part do everything once, the alerts of ordinary users included."""
        with KafkaEmitter(self._stage.bootstrap, self._stage.topics) as emitter:
            for number in range(-_WARM_UP_EVENTS, 0):
                emitter.emit(self._traffic.event(number))
        with open_ledger(self._stage.data) as ledger:
            query = "SELECT count(threshold_percent) FROM alerts"
            await until(
                lambda: ledger.sql(query).rows[0][0] == _USERS, "the first alerts"
            )

    async def probed(self, count: int) -> None:
        """Emit this many events; return when every probe has been seen twice."""
        with (
            KafkaEmitter(self._stage.bootstrap, self._stage.topics).start() as emitter,
            open_ledger(self._stage.data) as ledger,
        ):
            async with self._lookouts(ledger):
                await paced(count, _PER_SECOND, lambda n: self._emit(emitter, n))
                for what in (self.alerts, self.rows):
                    await until(what.complete, "all probes seen", _PATIENCE_SECONDS)

    def _emit(self, emitter: KafkaEmitter, number: int) -> None:
        event = self._traffic.event(number)
        if number % _PROBE_EVERY == 0:
            probe = f"probe-{number:08d}"
            event = event.model_copy(update={"user_id": probe})
            self.alerts.emitted(probe)
            self.rows.emitted(probe)
        emitter.emit(event)

    @asynccontextmanager
    async def _lookouts(self, ledger: Ledger) -> AsyncIterator[None]:
        stop = Event()
        rows = asyncio.create_task(asyncio.to_thread(self._look_for_rows, ledger, stop))
        alerts = asyncio.create_task(self._look_for_alerts())
        try:
            yield
        finally:
            stop.set()
            alerts.cancel()
            await asyncio.gather(rows, alerts, return_exceptions=True)

    async def _look_for_alerts(self) -> None:
        topic = self._stage.topics.budget_alerts
        async for records in follow_topic(self._stage.bootstrap, topic):
            for record in records:
                alert = alert_adapter.validate_json(record.value or b"")
                if isinstance(alert, BudgetThresholdCrossed):
                    self.alerts.seen(alert.subject_id)

    def _look_for_rows(self, ledger: Ledger, stop: Event) -> None:
        while not stop.is_set():
            first = self.rows.first_unseen()
            query = (
                "SELECT user_id FROM charges WHERE user_id BETWEEN "  # noqa: S608
                f"'{first}' AND 'probe-~'"
            )
            for (probe,) in ledger.sql(query).rows:
                self.rows.seen(probe)
            sleep(_POLL_SECONDS)


def _budget() -> tuple[bytes, bytes]:
    budget = BudgetDefined(
        budget_id="bench-new-user",
        scope=Scope(user="*"),
        period="total",
        limit_usd=Decimal("0.000001"),
        thresholds_percent=(100,),
        defined_at=SystemClock().now(),
    )
    return budget.budget_id.encode(), budget.model_dump_json().encode()


def _row(name: str, sightings: _Sightings, how: str) -> Row:
    took = sightings.latencies_ms()
    p50, most = quantile(took, 50), max(took)
    detail = f"{len(took):,} probes {how}; p50 {p50:.0f}, most {most:.0f} ms"
    return row(name, quantile(took, 99), detail)
