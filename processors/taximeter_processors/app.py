"""The Faust app: which agent reads which topic, and nothing else.

What the agents do is in `agents/`; what it means is in the pure modules.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any
from weakref import WeakSet

import faust
from faust.types import TP, StreamT

from taximeter_processors.agents.partitions import Partitions, PartitionWork
from taximeter_processors.agents.price_usage import (
    PricingPartition,
    open_pricing_partition,
)
from taximeter_processors.agents.reports import FlushReport, Reports
from taximeter_processors.agents.watch_budgets import (
    WatchPartition,
    open_watch_partition,
)
from taximeter_processors.attention import AttentionRules
from taximeter_processors.budget_feed import BudgetFeed
from taximeter_processors.dedupe import DEFAULT_HORIZON
from taximeter_processors.kafka import Writer
from taximeter_processors.kinds import asked_for
from taximeter_processors.price_feed import price_feed
from taximeter_processors.price_versions import PriceBooks
from taximeter_processors.transport import CommittedTransport
from taximeter_schemas.budgets import BudgetEvent
from taximeter_schemas.clock import Clock, SystemClock
from taximeter_schemas.topics import Topics

__all__ = ["FlushReport", "WorkerConfig", "create_app"]

_TICK_SECONDS = 0.05
_REPORT_SECONDS = 5.0
_LOOK_SECONDS = 1.0
_LAST_SECONDS = 10.0
_CRASHED = 70
_DONE = 0

log = logging.getLogger(__name__)


def _ignore(*_: object) -> None:
    return


@dataclass(frozen=True)
class WorkerConfig:
    """What a worker has to be told.

    Args:
        bootstrap: Kafka's address, `host:port` or several separated by commas.
        topics: the installation's topics; they exist.
        name: the worker's own name, for logs.
        flush_seconds: how long a charge may wait for its flush when little is to do.
        dedupe_horizon: how long an event id is remembered at least.
        on_ready: called once the worker owns what it was assigned.
        on_flush: called after each flush of the pricing agent, and every few seconds.
        clock: the time of alerts.
        attention: what is told of besides the thresholds of budgets.
    """

    bootstrap: str
    topics: Topics = field(default_factory=Topics)
    name: str = "worker-1"
    flush_seconds: float = 0.2
    dedupe_horizon: timedelta = DEFAULT_HORIZON
    on_ready: Callable[[], None] = _ignore
    on_flush: Callable[[FlushReport], None] = _ignore
    clock: Clock = field(default_factory=SystemClock)
    attention: AttentionRules = field(default_factory=AttentionRules)


class _MeterApp(faust.App):
    writer: Writer

    def _create_directories(self) -> None:
        """Make none: Faust would, where the process was started; we keep no files."""

    async def on_shutdown(self) -> None:
        await super().on_shutdown()
        await self.writer.close()

    def _new_transport(self) -> CommittedTransport:
        return CommittedTransport(self.conf.broker_consumer, self)


def create_app(config: WorkerConfig, books: PriceBooks) -> faust.App:
    """Return the app of one worker, ready to be run."""
    app = _new_app(config)
    budgets = _Budgets(config)
    _declare_pricing(app, config, books, budgets)
    _declare_watching(app, config, budgets)
    app.task(budgets.feed.run)

    @app.on_rebalance_complete.connect
    async def ready(*_: object, **__: object) -> None:
        config.on_ready()

    return app


def _new_app(config: WorkerConfig) -> _MeterApp:
    app = _MeterApp(
        config.topics.prefix.strip("."),
        broker=[f"kafka://{host}" for host in config.bootstrap.split(",")],
        store="memory://",
        broker_client_id=config.name,
        broker_session_timeout=6.0,
        broker_heartbeat_interval=1.5,
        broker_commit_interval=1.0,
        topic_disable_leader=True,
        topic_allow_declare=False,  # the registry's topics exist already
        stream_wait_empty=False,
        # Faust acknowledges an event whose agent raised, and has no setting against
        # it any more: what counts is the progress row, not Kafka's offsets.
        web_enabled=False,
        worker_redirect_stdouts=False,
    )
    app.writer = Writer(config.bootstrap, config.name)
    return app


class _Budgets:
    """The budgets in force, and the partitions in work that have to hear of them."""

    def __init__(self, config: WorkerConfig) -> None:
        self.feed = BudgetFeed(config.bootstrap, config.topics, self._learn)
        self.pricing: WeakSet[PricingPartition] = WeakSet()
        self.watching: WeakSet[WatchPartition] = WeakSet()

    def kinds(self) -> frozenset[str]:
        """Return the kinds of subject that spend is kept for because of budgets."""
        return asked_for(self.feed.in_force())

    def _learn(self, event: BudgetEvent) -> None:
        for watch in self.watching:
            watch.learn(event)
        if self.feed.is_caught_up:
            kinds = self.kinds()
            for pricing in self.pricing:
                pricing.count_kinds(kinds)


def _declare_pricing(
    app: _MeterApp, config: WorkerConfig, books: PriceBooks, budgets: _Budgets
) -> None:
    topics = config.topics
    writer = app.writer
    reports = Reports(app, topics.usage.name, config.clock, config.on_flush)
    prices = price_feed(config.bootstrap, topics, books)
    open_priced = partial(
        open_pricing_partition,
        config.bootstrap,
        topics,
        books,
        writer,
        config.dedupe_horizon,
        budgets.kinds,
    )

    async def open_partition(partition: int) -> PartitionWork:
        await prices.caught_up()  # else old prices would stand in new charges
        await budgets.feed.caught_up()  # else it would stop counting some kinds
        pricing = await open_priced(partition)
        budgets.pricing.add(pricing)
        return pricing

    partitions = Partitions(
        app,
        config.bootstrap,
        topics.usage.name,
        open_partition,
        "price_usage",
        config.flush_seconds,
        on_flush=lambda: reports.flushed(partitions.works()),
    )

    async def reporting() -> None:
        while not app.should_stop:
            await app.sleep(_REPORT_SECONDS)
            reports.repeat(partitions.works())

    app.task(prices.run)
    app.task(reporting)
    _declare_agent(app, "price_usage", topics.usage.name, partitions)


def _declare_watching(app: faust.App, config: WorkerConfig, budgets: _Budgets) -> None:
    topics = config.topics
    feed = budgets.feed

    async def open_partition(partition: int) -> PartitionWork:
        await feed.caught_up()  # first: who opens and is cancelled has to close again
        watch = await open_watch_partition(
            config.bootstrap, topics, partition, config.clock, config.attention
        )
        # Nothing is awaited from here on: a budget that is defined while a partition
        # is being opened is either in this list, or told to it afterwards.
        watch.learn(*feed.in_force())
        budgets.watching.add(watch)
        return watch

    partitions = Partitions(
        app,
        config.bootstrap,
        topics.spend.name,
        open_partition,
        "watch_budgets",
        config.flush_seconds / 2,
    )

    async def ticking() -> None:
        while not app.should_stop:
            await app.sleep(_LOOK_SECONDS)
            for watch in list(budgets.watching):
                async with _ending_with_what_fails(app, "watch_budgets"):
                    watch.tick()
                await asyncio.sleep(0)

    app.task(ticking)
    _declare_agent(app, "watch_budgets", topics.spend.name, partitions)


def _declare_agent(
    app: faust.App, name: str, topic: str, partitions: Partitions
) -> None:
    async def agent(stream: StreamT[bytes]) -> None:
        async for event in stream.events():  # pyright: ignore[reportGeneralTypeIssues]
            async with _ending_with_what_fails(app, name):
                await partitions.take(event)

    async def assigned(*assignment: Any, **_: object) -> None:  # noqa: ANN401
        tps: set[TP] = assignment[-1]
        now = {tp.partition for tp in tps if tp.topic == topic}
        await partitions.own(now)

    async def stop(*_: object, **__: object) -> None:
        await partitions.close()
        # All of it is in Kafka: what is left to do is to say good-bye.
        _end_soon(_CRASHED if app.crashed else _DONE)

    # Raw: a value that is not JSON is ours to keep as a dead letter, and parsing it
    # twice cost a twelfth of the time.
    source = app.topic(topic, key_serializer="raw", value_serializer="raw")
    app.agent(source, name=name)(agent)
    _declare_loops(app, name, partitions)
    app.on_partitions_assigned.connect(assigned, weak=False)
    app.on_before_shutdown.connect(stop, weak=False)


def _declare_loops(app: faust.App, name: str, partitions: Partitions) -> None:
    async def flushing() -> None:
        async with _ending_if_cancelled(app, name):
            while not app.should_stop:
                await app.sleep(_TICK_SECONDS)
                async with _ending_with_what_fails(app, name):
                    await partitions.tick()

    async def hurrying() -> None:
        async with _ending_if_cancelled(app, name):
            while not app.should_stop:
                async with _ending_with_what_fails(app, name):
                    await partitions.hurry()

    app.task(flushing)
    app.task(hurrying)


@asynccontextmanager
async def _ending_with_what_fails(app: faust.App, name: str) -> AsyncIterator[None]:
    """End the process for an error that nobody foresaw.

    What is half applied must not be flushed: whoever comes next begins at the last
    flush.
    """
    try:
        yield
    except Exception as error:
        log.critical("%s failed, the worker ends: %r", name, error)
        _end_soon(_CRASHED)
        await app.crash(error)
        raise


@asynccontextmanager
async def _ending_if_cancelled(app: faust.App, name: str) -> AsyncIterator[None]:
    """End the process if a task is cancelled that is to run as long as it does.

    aiokafka cancels what waits on a connection that it closes; Faust takes that for an
    end that was wanted, and nobody would flush again.
    """
    try:
        yield
    except asyncio.CancelledError:
        if not app.should_stop:
            log.critical("%s was cancelled, the worker ends", name)
            _end_soon(_CRASHED)
        raise


def _end_soon(code: int) -> None:
    """End the process in some seconds if it has not ended by itself.

    Faust hangs on its way out if Kafka does not answer, or the group is being joined
    just then. A worker that hangs is not started again.
    """
    hard_exit = threading.Timer(_LAST_SECONDS, os._exit, (code,))
    hard_exit.daemon = True
    hard_exit.start()
