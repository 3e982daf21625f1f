"""One route at work: what waits for it is sent, attempt by attempt."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from datetime import datetime
from typing import Final, TypeVar

from taximeter.notify.config import Route
from taximeter.notify.delivery_log import DeliveryLog, Step, given_up
from taximeter.notify.delivery_state import Waiting
from taximeter.notify.details import Details, NoDetails
from taximeter.notify.grouping import Batch, next_turn
from taximeter.notify.messages import Message
from taximeter.notify.secret_values import Secrets
from taximeter.notify.targets import Target
from taximeter.notify.targets.refused import Refused
from taximeter_schemas.clock import Clock
from taximeter_schemas.deliveries import AlertDelivered, AlertDeliveryFailed

__all__ = ["RouteWork", "failure"]

_log: Final = logging.getLogger(__name__)
# The clock may be set while we rest.
_LONGEST_REST_SECONDS: Final = 30.0

T = TypeVar("T")


class RouteWork:
    """Sends what waits for one route, one message after the other."""

    def __init__(
        self,
        route: Route,
        target: Target,
        log: DeliveryLog,
        secrets: Secrets,
        clock: Clock,
        details: Details | None = None,
    ) -> None:
        self._route = route
        self._details = details or NoDetails()
        self._target = target
        self._deliveries = log
        self._secrets = secrets
        self._clock = clock
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Say that there may be something new."""
        self._woken.set()

    async def run(self) -> None:
        """Work until cancelled; an attempt that has begun is carried to its end.

        Raises:
            BrokerUnavailable: the log could not be written.
            TakenOver: another process delivers now.
        """
        while True:
            self._woken.clear()
            waiting = self._deliveries.state.of(self._route.name)
            turn = next_turn(self._route, waiting, self._clock.now())
            if turn.batch is None:
                await self._rest(turn.look_again_at)
            else:
                await _uninterrupted(self.attempt(turn.batch))

    async def attempt(self, batch: Batch) -> None:
        """Attempt a message once.

        1. The log says that it is attempted. A crash from here on repeats the message,
           with the same id: nobody knows whether the target has it.
        2. The target is given it.
        3. The log says what came of it. From here on nothing is repeated, but for a
           refusal that was not the last.
        """
        now = self._clock.now()
        members = tuple(m.attempted(batch.message_id, now) for m in batch.members)
        begun = Batch(batch.message_id, members)
        await self._deliveries.record(Step([m.routed for m in members]))  # 1.
        refusal = await self._refusal(begun)  # 2.
        if refusal is None:
            await self._deliveries.record_outcome(self._delivered(begun))  # 3.
        elif begun.attempts < self._route.retries.attempts:
            self._say("attempt %d failed: %s", begun.attempts, refusal)
        else:
            await self._deliveries.record_outcome(self._failed(begun, refusal))
            self._say("given up after %d attempts: %s", begun.attempts, refusal)

    async def _refusal(self, batch: Batch) -> str | None:
        """Send a message; return why it was not accepted, without secrets."""
        alerts = [member.alert for member in batch.members]
        name, texts = self._route.name, self._route.texts
        more = await self._details.of(alerts)
        message = Message.of(batch.message_id, name, alerts, texts, more)
        try:
            await self._target.send(message)
        except Refused as error:
            return self._secrets.hidden(error.reason)
        except Exception as error:
            return f"{type(error).__name__}"
        return None

    def _delivered(self, batch: Batch) -> Step:
        now = self._clock.now()
        return Step(
            [
                AlertDelivered(
                    event_type="AlertDelivered",
                    alert_id=member.alert_id,
                    route=self._route.name,
                    message_id=batch.message_id,
                    attempts=member.routed.attempts,
                    delivered_at=now,
                )
                for member in batch.members
            ]
        )

    def _failed(self, batch: Batch, reason: str) -> Step:
        now, topics = self._clock.now(), self._deliveries.topics
        failures = [failure(one, reason, now) for one in batch.members]
        pairs = zip(batch.members, failures, strict=True)
        return Step(failures, [given_up(one, failed, topics) for one, failed in pairs])

    async def _rest(self, until: datetime | None) -> None:
        seconds = _LONGEST_REST_SECONDS
        if until is not None:
            seconds = min(seconds, (until - self._clock.now()).total_seconds())
        with suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, 0.01)):
                await self._woken.wait()

    def _say(self, words: str, *facts: object) -> None:
        _log.warning(f"route %s: {words}", self._route.name, *facts)


def failure(one: Waiting, reason: str, now: datetime) -> AlertDeliveryFailed:
    """Return the event that says that an alert will not be delivered."""
    return AlertDeliveryFailed(
        event_type="AlertDeliveryFailed",
        alert_id=one.alert_id,
        route=one.routed.route,
        message_id=one.routed.message_id,
        attempts=one.routed.attempts,
        failed_at=now,
        reason=reason,
    )


async def _uninterrupted(step: Coroutine[None, None, T]) -> T:
    """Carry a step to its end even if we are cancelled meanwhile; then end, too."""
    task = asyncio.create_task(step)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
