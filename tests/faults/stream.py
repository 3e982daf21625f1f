"""A stream with duplicates, the budgets that it crosses, and how it is sent.

TAXIMETER_FAULT_EVENTS and TAXIMETER_FAULT_SEED choose the long form; without them the
streams are short enough for every run of the suite.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from functools import cache
from random import Random

from taximeter_schemas.budgets import BudgetDefined
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.subjects import Scope
from taximeter_schemas.usage import Usage, UsageRecorded
from tests.builders import a_usage, an_id
from tests.integration.processors.broker_side import BrokerSide

__all__ = [
    "LONG",
    "SEED",
    "Stream",
    "a_stream",
    "cost_of",
    "flow",
    "with_duplicates",
]

# Read when the suite is collected: the tests themselves see no such variables.
_ASKED = os.environ.get("TAXIMETER_FAULT_EVENTS")
LONG = _ASKED is not None
SEED = int(os.environ.get("TAXIMETER_FAULT_SEED", "1"))

NOW = SystemClock().now()
USERS = 20
# What claude-sonnet-4-5 costs.
INPUT_USD, OUTPUT_USD = Decimal("0.000003"), Decimal("0.000015")
DUPLICATES_PERCENT = 3
# A call costs 0.00675 on average: every threshold is crossed on the way.
LIMIT_USD = Decimal("0.0045")
_PAUSE_SECONDS = 0.2


def cost_of(call: UsageRecorded) -> Decimal:
    """Recompute what a call costs."""
    usage = call.usage
    return INPUT_USD * usage.text_input_tokens + OUTPUT_USD * usage.text_output_tokens


@dataclass(frozen=True)
class Stream:
    """Calls, in the order in which they are sent, some of them twice."""

    calls: list[UsageRecorded]
    sent: list[UsageRecorded] = field(repr=False)

    @property
    def budgets(self) -> list[BudgetDefined]:
        """Two budgets that the stream crosses: of everybody, and of each user."""
        limit = LIMIT_USD * len(self.calls)
        before = NOW - timedelta(days=1)
        return [
            BudgetDefined(
                budget_id="all", period="total", limit_usd=limit, defined_at=before
            ),
            BudgetDefined(
                budget_id="each",
                scope=Scope(user="*"),
                period="total",
                limit_usd=limit / USERS,
                defined_at=before,
            ),
        ]

    def parts(self, count: int) -> list[list[UsageRecorded]]:
        """Return what is sent, in its order, cut into so many parts."""
        size = -(-len(self.sent) // count)
        return [self.sent[size * at : size * (at + 1)] for at in range(count)]

    async def flow(self, side: BrokerSide, seconds: float) -> None:
        """Send everything over some seconds."""
        await flow(side, self.sent, seconds)


async def flow(side: BrokerSide, sent: list[UsageRecorded], seconds: float) -> None:
    """Send events over some seconds, so that there is always something to do."""
    slices = max(1, round(seconds / _PAUSE_SECONDS))
    size = -(-len(sent) // slices)
    for start in range(0, len(sent), size):
        await side.emit(sent[start : start + size])
        await asyncio.sleep(_PAUSE_SECONDS)


@cache
def a_stream(short: int, seed: int = SEED) -> Stream:
    """Return a stream of so many calls, or of as many as the long form asks for."""
    random = Random(seed)
    calls = [_call(random, number) for number in range(int(_ASKED or short))]
    return Stream(calls, with_duplicates(random, calls))


def _call(random: Random, number: int) -> UsageRecorded:
    return a_usage(
        event_id=an_id("fault", random.random(), number),
        occurred_at=NOW,
        user_id=f"user-{random.randrange(USERS)}",
        usage=Usage(
            text_input_tokens=random.randrange(2000),
            text_output_tokens=random.randrange(500),
        ),
    )


def with_duplicates(random: Random, calls: list[UsageRecorded]) -> list[UsageRecorded]:
    """Return the calls, 3 % of them a second time, at once or anywhere later."""
    placed = [(float(at), call) for at, call in enumerate(calls)]
    for at in random.sample(range(len(calls)), len(calls) * DUPLICATES_PERCENT // 100):
        again = random.choice((at + 0.5, random.uniform(at, len(calls))))
        placed.append((again, calls[at]))
    return [call for _, call in sorted(placed, key=lambda one: one[0])]
