"""The notifier: reads alerts, writes the delivery log, keeps every route at work.

Everything that it knows comes from the log, so that it can be killed at any moment.
A session begins by shutting out whoever notified before, then reads the log, then
works; when Kafka goes away the session ends, and the next one waits for Kafka.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from pydantic import ValidationError

from taximeter.broker.admin import end_offsets
from taximeter.broker.sole_writer import SoleWriter
from taximeter.broker.topic_io import follow_topic, read_topic
from taximeter.notify.config import NotifyConfig
from taximeter.notify.delivery_log import DeliveryLog, Step, Unrecorded, given_up
from taximeter.notify.delivery_state import DeliveryState, delivery_event
from taximeter.notify.details import Details, NoDetails
from taximeter.notify.intake import taken_in
from taximeter.notify.route_work import RouteWork, failure
from taximeter.notify.targets import Target
from taximeter_schemas.clock import Clock
from taximeter_schemas.deliveries import AlertResendRequested, AlertsRead
from taximeter_schemas.errors import BrokerUnavailable, TakenOver
from taximeter_schemas.topics import Topics

__all__ = ["Notifier"]

_log: Final = logging.getLogger(__name__)
_PAUSE_SECONDS: Final = 1.0
_ROUTE_GONE: Final = "notify.yaml has no such route any more"


@dataclass
class Notifier:
    """What one process does.

    Attributes:
        bootstrap: where Kafka is.
        topics: the installation's topics.
        config: the routes.
        targets: what each route leads to.
        clock: what time it is.
        from_start: whether the very first notifier of an installation delivers what
            was raised before it; otherwise it begins with what is raised from then on.
        ready: called when a session works.
        told: called with the state, whenever it has changed.
        details: what messages say besides their alerts.
    """

    bootstrap: str
    topics: Topics
    config: NotifyConfig
    targets: Mapping[str, Target]
    clock: Clock
    from_start: bool
    ready: Callable[[], None]
    told: Callable[[DeliveryState], None]
    details: Details = field(default_factory=NoDetails)
    _unrecorded: Unrecorded = field(default_factory=list[Step], init=False)

    async def run(self) -> None:
        """Notify until cancelled; a Kafka that is away is waited for.

        Raises:
            TakenOver: another notifier of this installation has begun.
        """
        while True:
            try:
                await self._session()
            except BrokerUnavailable as error:
                _log.warning("%s; waiting", error)
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _session(self) -> None:
        name = f"{self.topics.prefix}notify"
        async with SoleWriter(self.bootstrap, name) as writer:
            state, read_up_to = await self._state()
            log = DeliveryLog(
                self.topics, state, writer.write, self._unrecorded, self.told
            )
            await log.catch_up()
            await self._begin(log)
            await self._give_up_lost_routes(log)
            self.told(state)
            self.ready()
            await self._work(log, read_up_to)

    async def _state(self) -> tuple[DeliveryState, int]:
        """Return what the log says, and the offset behind it."""
        state, read_up_to = DeliveryState(), 0
        for record in await read_topic(self.bootstrap, self.topics.deliveries):
            try:
                state.apply([delivery_event(record.value)])
            except ValidationError:
                _log.error("deliveries@%d cannot be read", record.offset)
            read_up_to = record.offset + 1
        return state, read_up_to

    async def _begin(self, log: DeliveryLog) -> None:
        """Decide where each partition begins that has never been read."""
        topic = self.topics.budget_alerts
        ends = (await end_offsets(self.bootstrap, [topic])).get(topic.name, [])
        new = [p for p in range(len(ends)) if p not in log.state.next_offsets]
        if not new:
            return
        now = self.clock.now()
        events = [
            AlertsRead(
                event_type="AlertsRead",
                partition=partition,
                next_offset=0 if self.from_start else ends[partition],
                read_at=now,
            )
            for partition in new
        ]
        await log.record(Step(events))

    async def _give_up_lost_routes(self, log: DeliveryLog) -> None:
        """Keep what waits for a route that is gone as dead letters, not for ever."""
        names = {route.name for route in self.config.routes}
        lost = [
            one
            for name in log.state.waiting
            if name not in names
            for one in log.state.of(name)
        ]
        if not lost:
            return
        failures = [failure(one, _ROUTE_GONE, self.clock.now()) for one in lost]
        pairs = zip(lost, failures, strict=True)
        letters = [given_up(one, failed, self.topics) for one, failed in pairs]
        await log.record(Step(failures, letters))
        _log.warning("%d deliveries given up: %s", len(lost), _ROUTE_GONE)

    async def _work(self, log: DeliveryLog, read_up_to: int) -> None:
        works = [
            RouteWork(
                route,
                self.targets[route.name],
                log,
                self.config.secrets,
                self.clock,
                self.details,
            )
            for route in self.config.routes
        ]
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._read(log, works))
                group.create_task(self._hear(log.state, works, read_up_to))
                for work in works:
                    group.create_task(work.run())
        except* TakenOver as failed:
            raise failed.exceptions[0] from None
        except* BrokerUnavailable as failed:
            raise failed.exceptions[0] from None

    async def _read(self, log: DeliveryLog, works: Sequence[RouteWork]) -> None:
        topic, state = self.topics.budget_alerts, log.state
        async for records in follow_topic(
            self.bootstrap, topic, dict(state.next_offsets)
        ):
            now = self.clock.now()
            await log.record(
                taken_in(records, topic.name, self.config.routes, state, now)
            )
            for work in works:
                work.wake()

    async def _hear(
        self, state: DeliveryState, works: Sequence[RouteWork], read_up_to: int
    ) -> None:
        """Take requests in: all else in the log is our own word."""
        start = {0: read_up_to}
        async for records in follow_topic(
            self.bootstrap, self.topics.deliveries, start
        ):
            for record in records:
                with suppress(ValidationError):
                    event = delivery_event(record.value)
                    if isinstance(event, AlertResendRequested):
                        state.apply([event])
            for work in works:
                work.wake()
