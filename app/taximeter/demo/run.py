"""The demo from its first line to its last: bring up, replay, wait, audit, take down.

It uses the system as anybody would: a child runs `taximeter up`, an emitter sends,
and everything that it tells was read from the alert topic, SQL and the audit.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from taximeter.alert_feed import follow_alerts
from taximeter.alert_words import alert_words
from taximeter.audit import audit
from taximeter.broker.admin import drop_topics
from taximeter.budget_book import publish_budgets
from taximeter.demo.books import Books, Standing
from taximeter.demo.child import DemoFailed, Plan, Up, running
from taximeter.demo.limits import demo_budgets
from taximeter.demo.outcome import Outcome
from taximeter.demo.replay import Latency, Replay, paced_calls
from taximeter.demo.screen import Screen
from taximeter.demo.trace import TRACE_NAME, TracedCall
from taximeter.demo.traffic import WEEK, recorded, with_repeats
from taximeter.reading import open_ledger
from taximeter.state import DataDir
from taximeter_producers.kafka import KafkaEmitter
from taximeter_schemas.alerts import BudgetThresholdCrossed
from taximeter_schemas.errors import ConfigurationError, TaximeterError
from taximeter_schemas.topics import Topics

__all__ = ["Ride", "place", "ride", "system"]

_LOOK_SECONDS: Final = 0.25
_STUCK_SECONDS: Final = 120.0


@dataclass(frozen=True)
class Ride:
    """One run of the demo: how much of which traffic, and where it ends in time."""

    trace: list[TracedCall]
    calls: int
    seed: int
    until: datetime


@contextmanager
def place(given: Path | None, *, keep: bool) -> Iterator[DataDir]:
    """Give a fresh data directory; a temporary one is gone afterwards, unless kept.

    When the demo fails and names a log in it, it stays too.

    Raises:
        ConfigurationError: the directory given holds a ledger, which the demo's
            invented users have no business in.
    """
    if given is not None:
        data = DataDir(given)
        if data.ledger.exists():
            raise ConfigurationError(
                f"{data.path} already holds a ledger: give the demo a fresh directory"
            )
        yield data
        return
    data = DataDir(Path(tempfile.mkdtemp(prefix="taximeter-demo-")))
    kept = False
    try:
        yield data
        kept = keep
    except TaximeterError as error:
        kept = str(data.logs) in str(error)
        raise
    finally:
        if not kept:
            shutil.rmtree(data.path, ignore_errors=True)


@asynccontextmanager
async def system(
    data: DataDir,
    bootstrap: str | None,
    screen: Screen,
    *,
    keep: bool,
    notify: Path | None,
) -> AsyncIterator[tuple[Plan, Up]]:
    """Give a running system; on a broker that others use, with topics of its own."""
    topics = Topics(prefix=f"taximeter-demo-{uuid4().hex[:6]}.")
    plan = Plan(data, topics if bootstrap else Topics(), bootstrap, keep, notify)
    screen.say("starting Kafka, a worker, the sink and the API")
    try:
        async with running(plan, screen.say) as up:
            yield plan, up
    finally:
        if bootstrap and not keep:
            with suppress(Exception):  # whatever went wrong before is what to tell
                await drop_topics(bootstrap, topics.prefix)


async def ride(ride: Ride, plan: Plan, up: Up, screen: Screen) -> Outcome:
    """Replay the traffic, wait until all of it is in the books, and audit them.

    Raises:
        DemoFailed: something stopped moving on.
    """
    began = time.monotonic()
    books, budgets = Books(plan.data), demo_budgets(ride.calls, ride.until - WEEK)
    await publish_budgets(up.kafka, plan.topics, budgets)
    emitter = KafkaEmitter(up.kafka, plan.topics, flush_on_sigterm=False)
    traffic = recorded(ride.trace, ride.calls, ride.seed, ride.until)
    replay = Replay(emitter, with_repeats(traffic, ride.seed))
    screen.say(f"replaying {ride.calls:,} calls of the {TRACE_NAME}")
    screen.start(ride.calls)
    meter = _Meter(books, replay, screen, plan.data)
    alerts = _Alerts(screen)
    try:
        async with _beside(meter.run(), alerts.show(up, plan)):
            fast = await _fast_part(replay, meter, ride.calls)
            latency = await _paced_part(replay, meter, books)
            await meter.until(lambda: books.settled(budgets))
            await meter.until(lambda: alerts.shown(books.last.alerts))
    finally:
        await emitter.aclose(5.0)
    screen.say("recomputing every charge for the audit")
    result = await audit(up.kafka, plan.topics, lambda: open_ledger(plan.data))
    return Outcome(
        seed=ride.seed,
        calls=ride.calls,
        alerts=books.last.alerts,
        cost_usd=books.last.cost_usd,
        events_per_second=fast,
        latency=latency,
        seconds=time.monotonic() - began,
        audit=result,
        plan=plan,
        up=up,
    )


async def _fast_part(replay: Replay, meter: _Meter, calls: int) -> float:
    """Send nearly everything; return the events per second of the whole way."""
    began = time.monotonic()
    await replay.fast(calls - paced_calls(calls))
    await meter.until(meter.landed)
    meter.speed = replay.sent / (time.monotonic() - began)
    return meter.speed


async def _paced_part(replay: Replay, meter: _Meter, books: Books) -> Latency:
    latency = await replay.paced(books)
    await meter.until(meter.landed)
    return latency


class _Alerts:
    """Shows each alert as it is raised, and knows how many thresholds it has shown."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._count = 0

    async def show(self, up: Up, plan: Plan) -> None:
        """Follow the alert topic until cancelled."""
        async for alert in follow_alerts(up.kafka, plan.topics):
            if isinstance(alert, BudgetThresholdCrossed):
                self._screen.alert(alert)
                self._count += 1
            else:
                self._screen.say(alert_words(alert))

    async def shown(self, count: int) -> bool:
        """Tell whether as many as this have been shown."""
        return self._count >= count


class _Meter:
    """Looks at the books again and again, shows them, and notices a standstill.

    `speed` is known when the fast part is over; what comes after it is slow on
    purpose and must not make it look so.
    """

    def __init__(
        self, books: Books, replay: Replay, screen: Screen, data: DataDir
    ) -> None:
        self._books = books
        self._replay = replay
        self._screen = screen
        self._data = data
        self._began = self._moved_at = time.monotonic()
        self._seen: tuple[int, Standing] | None = None
        self.speed: float | None = None

    async def run(self) -> None:
        """Look and show until cancelled.

        Raises:
            DemoFailed: nothing has changed for a long time.
        """
        while True:
            standing = await self._books.standing()
            now = time.monotonic()
            if (self._replay.sent, standing) != self._seen:
                self._seen, self._moved_at = (self._replay.sent, standing), now
                so_far = standing.charges / (now - self._began)
                self._screen.advance(standing, self.speed or so_far)
            elif now - self._moved_at > _STUCK_SECONDS:
                raise DemoFailed(self._stuck(standing))
            await asyncio.sleep(_LOOK_SECONDS)

    async def landed(self) -> bool:
        """Tell whether every call sent so far has its row."""
        return (await self._books.standing()).charges >= self._replay.calls

    async def until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        """Wait for a condition; `run` sees to it that this is not for ever."""
        while not await condition():
            await asyncio.sleep(_LOOK_SECONDS / 2)

    def _stuck(self, standing: Standing) -> str:
        return (
            f"nothing has moved for {_STUCK_SECONDS:.0f} s, with {standing.charges} of "
            f"{self._replay.calls} calls charged and {standing.dead_letters} dead "
            f"letters: see the logs in {self._data.logs}"
        )


@asynccontextmanager
async def _beside(*coroutines: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run coroutines beside the block; the first that fails ends the block too."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in coroutines]
            yield
            for task in tasks:
                task.cancel()
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
