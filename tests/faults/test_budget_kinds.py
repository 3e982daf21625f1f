"""Budgets of every sort, and reservations, in a stream while workers are killed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from random import Random

import pytest

from taximeter_producers.reservations import Reservations
from taximeter_schemas.budgets import BudgetDefined, BudgetStatus
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.errors import ReservationDenied
from taximeter_schemas.money import pico_from_usd
from taximeter_schemas.subjects import Scope
from taximeter_schemas.usage import Usage, UsageRecorded
from tests.builders import a_usage, an_id
from tests.faults.books import audited, charged
from tests.faults.installations import Installation
from tests.faults.stream import LONG, NOW, SEED, cost_of, with_duplicates
from tests.integration.processors.broker_side import BrokerSide
from tests.integration.processors.workers import WorkerProcess
from tests.recomputing import Recomputed, raised, stands
from tests.waiting import eventually_async

pytestmark = pytest.mark.broker

CALLS, KILLS = (20_000, 3) if LONG else (1_200, 1)
BEFORE = NOW - timedelta(days=3)
ESTIMATE = Decimal("0.02")  # no call costs as much
HELD_USER = "user-0"


def a_budget(name: str, scope: Scope, period: str, **limit: object) -> BudgetDefined:
    """Return a budget that warns, so that nobody reserves in it."""
    stated = {"budget_id": name, "scope": scope, "period": period}
    given = {"defined_at": BEFORE, "on_exceeded": "warn"} | limit
    return BudgetDefined.model_validate(stated | given)


# A call costs 0.00675 on average, and uses 1,250 tokens: all thresholds are crossed.
USD_A_CALL = Decimal("0.00675")
HELD = a_budget(
    "held",
    Scope(user=HELD_USER),
    "total",
    limit_usd=USD_A_CALL * CALLS / 16,
    thresholds_percent=(10, 20),  # what is held leaves no room for much more
    on_exceeded="block",
)
TEAMS = Scope(tags={"team": "*"})
EARLY = (
    HELD,
    a_budget("teams", TEAMS, "day", limit_usd=USD_A_CALL * CALLS / 10),
    a_budget(
        "pairs",
        Scope(user="*", tags={"team": "growth"}),
        "total",
        limit_tokens=CALLS * 50,
    ),
    a_budget(
        "hours",
        Scope(),
        "rolling_hour",
        limit_calls=CALLS // 4,
        time_zone="Asia/Kathmandu",
    ),
    a_budget(
        "saving",
        Scope(user="*", exceptions=("user-1",)),
        "day",
        limit_usd=USD_A_CALL * CALLS / 30,
        rollover=("unused", "overspent"),
    ),
)
# It is heard of in the middle: what was charged before is read back from `charges`.
LATE = a_budget("sessions", Scope(session="*"), "rolling_day", limit_tokens=CALLS * 40)


def a_call(random: Random, number: int) -> UsageRecorded:
    """Return a call of today, of yesterday or of the day before."""
    ago = random.choice((0, 0, 1, 13, 26))
    return a_usage(
        event_id=an_id("kinds", random.random(), number),
        occurred_at=NOW - timedelta(hours=ago),
        user_id=f"user-{random.randrange(6)}",
        session_id=random.choice((None, "s-1", "s-2")),
        tags=random.choice(({}, {"team": "growth"}, {"team": "core", "env": "prod"})),
        usage=Usage(
            text_input_tokens=random.randrange(2000),
            text_output_tokens=random.randrange(500),
        ),
    )


class Callers:
    """Reserves for each call of one user, and says which of them were made."""

    def __init__(self, reservations: Reservations, random: Random) -> None:
        self._reservations = reservations
        self._random = random
        self.denied = 0

    async def made(self, calls: Sequence[UsageRecorded]) -> list[UsageRecorded]:
        """Return the calls that are made: what is denied, or fails, is not."""
        asked = [self._reserved(call) for call in calls]
        return [call for call in await asyncio.gather(*asked) if call is not None]

    async def _reserved(self, call: UsageRecorded) -> UsageRecorded | None:
        if call.user_id != HELD_USER:
            return call
        try:
            async with self._reservations.reserve(ESTIMATE, user=HELD_USER) as held:
                if self._random.random() < 0.2:
                    return None  # it failed, and its room is given back
                held.keep()
                reserved = {"reservation_id": held.reservation_id}
                return call.model_copy(update=reserved)
        except ReservationDenied:
            self.denied += 1
            return None


async def flow(side: BrokerSide, calls: list[UsageRecorded]) -> None:
    """Send calls, some at a time."""
    for at in range(0, len(calls), 100):
        await side.emit(calls[at : at + 100])
        await asyncio.sleep(0.05)


async def _killed(worker: WorkerProcess, random: Random) -> None:
    async def flushed() -> bool:
        return any(fact.get("events") for fact in worker.facts())

    await eventually_async(flushed, 40)
    await asyncio.sleep(random.random() * 0.5)
    worker.kill()


async def test_every_sort_of_budget_is_exact_while_workers_are_killed(
    place: Installation,
) -> None:
    """Each alert once, each status recomputed, no hold left, an audit of 0."""
    random, side = Random(SEED), place.side
    calls = [a_call(random, number) for number in range(CALLS)]
    await side.define(*EARLY)
    worker = place.workers.start().ready()
    made: list[UsageRecorded] = []
    with Reservations(side.bootstrap, side.topics, timeout_seconds=60) as reservations:
        callers = Callers(reservations, random)
        for leg in range(KILLS + 1):
            part = await callers.made(calls[leg :: KILLS + 1])
            made += part
            sent = with_duplicates(random, part)
            sending = asyncio.create_task(flow(side, sent))
            if leg < KILLS:
                await _killed(worker, random)
                await side.define(LATE)
                worker = place.workers.start()
            await sending
    await charged(side, len(made))
    assert callers.denied > 0
    await _says_what_is_recomputed(side, made)
    result, _ = await audited(place)
    assert result.findings == []
    assert result.difference_usd == Decimal(0)
    assert result.total("ledger_rows") == len(made)


async def _says_what_is_recomputed(
    side: BrokerSide, calls: Sequence[UsageRecorded]
) -> None:
    for budget in (*EARLY, LATE):
        must = Recomputed(budget, calls, lambda call: pico_from_usd(cost_of(call)))

        async def agrees(
            budget: BudgetDefined = budget, must: Recomputed = must
        ) -> bool:
            alerts = [a for a in await side.alerts() if a.budget_id == budget.budget_id]
            found = [raised(budget, alert) for alert in alerts]
            assert sorted(found, key=repr) == sorted(must.due(), key=repr)
            known = await _statuses(side, budget)
            assert {one.reserved_usd for one in known} == {Decimal(0)}
            said = dict(stands(budget, one) for one in known)
            if must.rolls:
                used = {subject: one.used for (subject, _), one in said.items()}
                assert used == must.used_at(SystemClock().now())
            else:
                assert said == must.stands()
            return True

        await eventually_async(agrees, 60)
        assert must.due(), f"{budget.budget_id} is crossed by nobody"


async def _statuses(side: BrokerSide, budget: BudgetDefined) -> list[BudgetStatus]:
    found = (await side.statuses()).values()
    return [one for one in found if one.budget_id == budget.budget_id]
