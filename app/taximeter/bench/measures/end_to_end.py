"""Row `end_to_end`: from `emit()` to a committed row and budgets that know of it."""

from __future__ import annotations

import gc
from decimal import Decimal
from time import perf_counter
from typing import Final

from taximeter.bench.children import run_task
from taximeter.bench.emitting import emit_all
from taximeter.bench.rows import Pair, Row, row_of_pairs
from taximeter.bench.stage import Bench, Stage, until
from taximeter.broker.topic_io import publish
from taximeter.reading import open_ledger
from taximeter.system import Plan, running
from taximeter_producers.kafka import KafkaEmitter
from taximeter_schemas.budgets import BudgetDefined
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.subjects import Scope
from taximeter_sinks.queries import Ledger

__all__ = ["measure"]

_WARM_UP_EVENTS: Final = 500
_EVERYTHING: Final = "bench-everything"
_CAUGHT_UP: Final = f"""
SELECT (SELECT count(*) FROM charges) AS rows,
       (SELECT max(calls) FROM budget_status WHERE budget_id = '{_EVERYTHING}') AS calls
"""  # noqa: S608 - no value comes from outside


async def measure(bench: Bench) -> list[Row]:
    """Return the row; the whole system has started before the first event."""
    pairs: list[Pair] = []
    count = bench.sizes.end_to_end_events
    async with bench.stage(f"end to end, {count:,} events") as stage:
        rates = await _through_the_system(bench, stage)
        for turn, rate in enumerate(rates):
            pairs.append(Pair(rate, await _reference(bench, stage, turn)))
    detail = (
        f"{count:,} events, 2,000 users, 50 projects, 3 budgets; reference: "
        f"{bench.sizes.reference_calls:,} calls of completion_cost, SQLite row, commit"
    )
    return [row_of_pairs("end_to_end", pairs, detail)]


async def _through_the_system(bench: Bench, stage: Stage) -> list[float]:
    await publish(stage.bootstrap, stage.topics.budgets, _budgets())
    plan = Plan(stage.data, stage.topics, stage.bootstrap, api_port=0)
    async with running(plan, bench.say):
        with (
            KafkaEmitter(stage.bootstrap, stage.topics) as emitter,
            open_ledger(stage.data) as ledger,
        ):
            race = _Race(bench, stage, emitter, ledger)
            await race.run(_WARM_UP_EVENTS)
            count = bench.sizes.end_to_end_events
            return [await race.run(count) for _ in range(bench.repeat)]


class _Race:
    """One stretch of events after the other through the same running system."""

    def __init__(
        self, bench: Bench, stage: Stage, emitter: KafkaEmitter, ledger: Ledger
    ) -> None:
        self._traffic = bench.traffic()
        self._stage = stage
        self._emitter = emitter
        self._ledger = ledger
        self._emitted = 0

    async def run(self, count: int) -> float:
        """Return the events a second from the first `emit()` to the last row."""
        first, self._emitted = self._emitted, self._emitted + count
        numbers = range(first, self._emitted)
        events = [self._traffic.event(number) for number in numbers]
        gc.freeze()  # a service that emits does not hold so many
        started = perf_counter()
        emit_all(self._emitter, events)
        patience = 60 + count / 200
        await until(self._rows_are_in, f"{count} rows in the ledger", patience)
        await until(self._all_caught_up, "budgets that know of every call", patience)
        return count / (perf_counter() - started)

    def _rows_are_in(self) -> bool:
        # The sink's own word first: asking the ledger all the time would slow it down.
        state = self._stage.data.state("sink")
        return state is not None and state.facts.get("rows", 0) >= self._emitted

    def _all_caught_up(self) -> bool:
        found = self._ledger.sql(_CAUGHT_UP).rows[0]
        return found == (self._emitted, self._emitted)


def _budgets() -> list[tuple[bytes, bytes]]:
    now = SystemClock().now()
    defined = [
        BudgetDefined(
            budget_id="bench-user-day",
            scope=Scope(user="*"),
            period="day",
            limit_usd=Decimal("0.25"),
            defined_at=now,
        ),
        BudgetDefined(
            budget_id="bench-project-month",
            scope=Scope(project="*"),
            period="month",
            limit_usd=Decimal(100),
            defined_at=now,
        ),
        BudgetDefined(
            budget_id=_EVERYTHING,
            period="total",
            limit_usd=Decimal(1_000_000),
            defined_at=now,
        ),
    ]
    return [(b.budget_id.encode(), b.model_dump_json().encode()) for b in defined]


async def _reference(bench: Bench, stage: Stage, turn: int) -> float:
    found = await run_task(
        "calculator",
        stage.log,
        calls=bench.sizes.reference_calls,
        file=str(stage.data.path / f"reference-{turn}.sqlite"),
    )
    return float(found["calls_per_second"])
