"""Rows `reserve_p50_ms` and `reserve_p99_ms`: how long a caller waits for its room.

One caller after the other; then two hundred at once on a budget with room for ten of
them, which is told in the detail.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from decimal import Decimal
from time import perf_counter
from typing import Final

from taximeter.bench.quantiles import quantile
from taximeter.bench.rows import Row, row
from taximeter.bench.stage import Bench, Stage
from taximeter.broker.topic_io import publish
from taximeter_producers.reservations import Reservations
from taximeter_schemas.budgets import BudgetDefined
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.errors import NotReady, ReservationDenied
from taximeter_schemas.subjects import Scope

__all__ = ["RESERVE_ROWS", "measure"]

RESERVE_ROWS: Final = ("reserve_p50_ms", "reserve_p99_ms")
_ESTIMATE_USD: Final = Decimal("0.01")
_ALONE, _CROWD = "bench-alone", "bench-crowd"
_LIMITS_USD: Final = {_ALONE: Decimal(1_000), _CROWD: 10 * _ESTIMATE_USD}
_AT_ONCE: Final = 200
_WARM_UP_CALLS: Final = 20
_PATIENCE_SECONDS: Final = 60.0
_MS: Final = 1_000


async def measure(bench: Bench, stage: Stage) -> list[Row]:
    """Return both rows, from one run; nothing stays reserved.

    Raises:
        NotReady: the budgets did not get into force.
    """
    count = bench.sizes.reservations
    bench.say(f"reservations, {count:,} one after the other, {_AT_ONCE} at once")
    await publish(
        stage.bootstrap, stage.topics.budgets, list(map(_budget, _LIMITS_USD))
    )
    with Reservations(
        stage.bootstrap, stage.topics, timeout_seconds=_PATIENCE_SECONDS
    ) as reservations:
        for user in _LIMITS_USD:
            await _in_force(reservations, user)
        for _ in range(_WARM_UP_CALLS):
            await _took_ms(reservations)
        took = [await _took_ms(reservations) for _ in range(count)]
        crowd = await _crowd(reservations)
    detail = f"{count:,} callers, one after the other; {crowd}"
    return [
        row(name, quantile(took, percent), detail)
        for name, percent in zip(RESERVE_ROWS, (50, 99), strict=True)
    ]


async def _in_force(reservations: Reservations, user: str) -> None:
    """Wait until the budget of a user is asked."""
    deadline = perf_counter() + _PATIENCE_SECONDS
    while perf_counter() < deadline:
        async with reservations.reserve(_ESTIMATE_USD, user=user) as reservation:
            if reservation.granted.answers:
                return
        await asyncio.sleep(0.05)
    raise NotReady(f"the budget of {user} in force", _PATIENCE_SECONDS)


async def _took_ms(reservations: Reservations) -> float:
    asked = perf_counter()
    async with reservations.reserve(_ESTIMATE_USD, user=_ALONE):
        return (perf_counter() - asked) * _MS


async def _crowd(reservations: Reservations) -> str:
    """Return what became of many callers at once, who all hold what they got."""
    all_answered = asyncio.Event()
    outcomes = Counter[str]()

    async def call() -> None:
        try:
            async with reservations.reserve(_ESTIMATE_USD, user=_CROWD):
                note("granted")
                await all_answered.wait()
        except ReservationDenied:
            note("denied")

    def note(outcome: str) -> None:
        outcomes[outcome] += 1
        if outcomes.total() == _AT_ONCE:
            all_answered.set()

    began = perf_counter()
    callers = asyncio.gather(*(call() for _ in range(_AT_ONCE)))
    await all_answered.wait()
    seconds = perf_counter() - began
    await callers
    granted, denied = outcomes["granted"], outcomes["denied"]
    return (
        f"of {_AT_ONCE} at once {granted} granted, {denied} denied in {seconds:.2f} s"
    )


def _budget(user: str) -> tuple[bytes, bytes]:
    budget = BudgetDefined(
        budget_id=user,
        scope=Scope(user=user),
        period="total",
        limit_usd=_LIMITS_USD[user],
        defined_at=SystemClock().now(),
    )
    return budget.budget_id.encode(), budget.model_dump_json().encode()
