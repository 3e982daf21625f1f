"""Reservations with real workers on a real Kafka: granted, held, settled, let go."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from taximeter.api.app import create_app
from taximeter.state import DataDir
from taximeter_producers.reservations import Reservations
from taximeter_schemas.budgets import BudgetDefined, BudgetStatus
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.errors import ReservationDenied
from taximeter_schemas.subjects import Scope
from tests.builders import an_id
from tests.integration.processors.broker_side import BrokerSide
from tests.integration.processors.callers import COST, ESTIMATE, Callers, Program
from tests.integration.processors.workers import Workers
from tests.waiting import eventually_async

pytestmark = pytest.mark.broker

NOW = SystemClock().now()
KEY = "alice|user|alice|total"


def a_budget(**overrides: object) -> BudgetDefined:
    """Return a budget of Alice's that has room for ten calls."""
    fields = {
        "budget_id": "alice",
        "scope": Scope(user="alice"),
        "period": "total",
        "limit_usd": "0.1",
        "defined_at": NOW - timedelta(days=1),
    }
    return BudgetDefined.model_validate(fields | overrides)


@pytest.fixture
def reservations(side: BrokerSide) -> Iterator[Reservations]:
    """Reserve on the test's topics, with patience for a busy machine."""
    with Reservations(side.bootstrap, side.topics, timeout_seconds=60) as made:
        made.connect()
        yield made


@pytest.fixture
def callers(side: BrokerSide) -> Iterator[Callers]:
    """Start programs that reserve, and end with the test."""
    started = Callers(side)
    yield started
    started.close()


async def stands(side: BrokerSide, spent: Decimal, reserved: Decimal) -> BudgetStatus:
    """Wait until the budget stands so."""

    async def so() -> BudgetStatus:
        statuses = await side.statuses()
        assert KEY in statuses
        status = statuses[KEY]
        assert (status.spent_usd, status.reserved_usd) == (spent, reserved)
        return status

    return await eventually_async(so, 60)


async def never_above(side: BrokerSide, limit: Decimal) -> None:
    """See that no status ever said more than the limit."""
    statuses = [
        BudgetStatus.model_validate_json(record.value)
        for record in await side.read(side.topics.budget_status)
    ]
    assert max(one.spent_usd + one.reserved_usd for one in statuses) <= limit


async def test_of_200_callers_exactly_those_with_room_are_granted(
    side: BrokerSide,
    workers: Workers,
    reservations: Reservations,
    callers: Callers,
) -> None:
    """Two hundred at once on a budget with room for ten: ten; then the true charges."""
    await side.define(a_budget())
    workers.start().ready()
    callers.start(programs=1, callers=200)
    await callers.decided(200)
    assert callers.outcomes == {"granted": 10, "denied": 190}
    await stands(side, Decimal(0), 10 * ESTIMATE)
    with pytest.raises(ReservationDenied) as denied:
        reservations.reserve("0.000000000001", user="alice").__enter__()
    assert (denied.value.reserved_usd, denied.value.limit_usd) == (
        Decimal("0.1"),
        Decimal("0.1"),
    )
    with reservations.reserve(0, user="alice"):
        pass  # a free model is never blocked

    events = callers.programs[0].finish()
    assert len({event.reservation_id for event in events}) == 10
    await side.emit(events)
    await stands(side, 10 * COST, Decimal(0))
    await never_above(side, Decimal("0.1"))


async def test_what_is_not_used_is_given_back(
    side: BrokerSide, workers: Workers, reservations: Reservations
) -> None:
    """A call that failed gives its room back at once, one that vanished in time."""
    await side.define(a_budget(limit_usd="0.01"))
    workers.start().ready()
    for _ in range(3):
        with pytest.raises(RuntimeError), reservations.reserve("0.01", user="alice"):
            raise RuntimeError("the provider is away")

    vanishing = reservations.reserve("0.01", user="alice", expires_after_seconds=2)
    vanishing.__enter__()
    await stands(side, Decimal(0), Decimal("0.01"))
    await stands(side, Decimal(0), Decimal(0))
    with reservations.reserve("0.01", user="alice"):
        pass
    vanishing.__exit__(None, None, None)


async def test_a_call_needs_all_of_its_budgets(
    side: BrokerSide, workers: Workers, reservations: Reservations
) -> None:
    """What one budget refuses is not held in another one."""
    await side.define(
        a_budget(),
        a_budget(budget_id="model", scope=Scope(model="m"), limit_usd="0.001"),
        a_budget(budget_id="warns", scope=Scope(), limit_usd="0", on_exceeded="warn"),
    )
    tokens = {"limit_usd": None, "limit_tokens": 2000}
    await side.define(a_budget(budget_id="t", scope=Scope(session="s"), **tokens))
    workers.start().ready()
    with pytest.raises(ReservationDenied) as denied:
        reservations.reserve(ESTIMATE, user="alice", model="m").__enter__()
    assert denied.value.budget_id == "model"
    with (
        reservations.reserve(estimate_tokens=1500, session="s"),
        pytest.raises(ReservationDenied, match="no room for 501 tokens"),
    ):
        reservations.reserve(0, estimate_tokens=501, session="s").__enter__()
    await stands(side, Decimal(0), Decimal(0))
    with reservations.reserve(Decimal("0.1"), user="alice", model="n") as made:
        assert [answer.budget_id for answer in made.granted.answers] == ["alice"]


STEPS = [f"watch_budgets.{step}" for step in ("flushing", "written", "committed")]


@pytest.mark.parametrize("place", STEPS)
async def test_killed_callers_and_workers_neither_pass_the_limit_nor_leak(
    side: BrokerSide,
    workers: Workers,
    callers: Callers,
    reservations: Reservations,
    tmp_path: Path,
    place: str,
) -> None:
    """200 callers in four programs, room for 10; programs and workers are killed.

    The first worker before, amid or behind an answer, the second one while the holds
    of a killed program and of living ones stand. What the dead held is held until its
    time is over, and no longer.
    """
    (clock := tmp_path / "clock").write_text("0")
    await side.define(a_budget())
    dying = workers.start(
        TAXIMETER_FAULT_POINT=f"{place}:1", CLOCK_HOURS=str(clock)
    ).ready()
    callers.start(programs=4, callers=50)
    assert await asyncio.to_thread(dying.ended) < 0
    workers.start(CLOCK_HOURS=str(clock)).ready()
    await callers.decided(200)
    assert callers.outcomes == {"granted": 10, "denied": 190}

    dead, *living = sorted(callers.programs, key=_granted, reverse=True)
    dead.kill()
    workers.started[-1].kill()
    workers.start(CLOCK_HOURS=str(clock)).ready()
    await stands(side, Decimal(0), 10 * ESTIMATE)
    with pytest.raises(ReservationDenied):
        reservations.reserve("0.000000000001", user="alice").__enter__()

    events = [event for program in living for event in program.finish()]
    assert len(events) == 10 - _granted(dead)
    await side.emit(events)
    spent = len(events) * COST
    await stands(side, spent, _granted(dead) * ESTIMATE)
    clock.write_text("1")
    await stands(side, spent, Decimal(0))
    left = Decimal("0.1") - spent
    with reservations.reserve(left, user="alice"), pytest.raises(ReservationDenied):
        reservations.reserve("0.000000000001", user="alice").__enter__()
    await never_above(side, Decimal("0.1"))


def _granted(program: Program) -> int:
    return program.outcomes["granted"]


async def test_reservations_over_http(
    side: BrokerSide, workers: Workers, tmp_path: Path
) -> None:
    """201 with an id, the same one asked again, 402 with the budget, and released."""
    await side.define(a_budget())
    workers.start().ready()
    app = create_app(
        bootstrap=side.bootstrap, topics=side.topics, data=DataDir(tmp_path)
    )
    transport = httpx.ASGITransport(app)
    wanted = {"estimate_usd": "0.06", "user_id": "alice"}
    wanted |= {"reservation_id": str(an_id())}
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://api") as client,
    ):

        async def reserved() -> httpx.Response:
            answer = await client.post("/v1/reservations", json=wanted)
            assert answer.json().get("budgets"), "the budget is not known yet"
            return answer

        made = await eventually_async(reserved, 60)
        assert made.status_code == 201
        (held,) = made.json()["budgets"]
        assert (held["budget_id"], held["reserved_usd"]) == ("alice", "0.060000000000")
        again = await client.post("/v1/reservations", json=wanted)
        assert again.json() == made.json()
        other = wanted | {"reservation_id": str(an_id())}
        refused = await client.post("/v1/reservations", json=other)
        assert refused.status_code == 402
        assert refused.json()["limit_usd"] == "0.100000000000"
        assert refused.json()["budget_id"] == "alice"

        path = f"/v1/reservations/{made.json()['reservation_id']}"
        assert (await client.delete(path)).status_code == 204
        assert (await client.post(f"{path}/release")).status_code == 204
        fresh = wanted | {"reservation_id": str(an_id())}
        assert (await client.post("/v1/reservations", json=fresh)).status_code == 201
        wrong = await client.post("/v1/reservations", json={"estimate_usd": "-1"})
        assert wrong.status_code == 422
