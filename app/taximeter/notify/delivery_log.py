"""The delivery log as it is written: events and dead letters, all of a step or none."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from taximeter.broker.sole_writer import Line
from taximeter.notify.delivery_state import DeliveryState, Waiting
from taximeter_schemas.dead_letters import DeadLetter
from taximeter_schemas.deliveries import AlertDeliveryFailed, DeliveryEvent
from taximeter_schemas.errors import BrokerUnavailable
from taximeter_schemas.topics import Topics

__all__ = ["DeliveryLog", "Step", "Unrecorded", "given_up"]

Write = Callable[[Sequence[Line]], Awaitable[None]]
Unrecorded = list["Step"]


class Step(NamedTuple):
    """What is written in one transaction."""

    events: Sequence[DeliveryEvent]
    letters: Sequence[DeadLetter] = ()


class DeliveryLog:
    """Keeps the log and the state that stands for it together.

    Args:
        topics: the installation's topics.
        state: what the log says so far.
        write: writes lines, all or none.
        unrecorded: where outcomes are kept that Kafka did not take.
        told: called with the state after each step.
    """

    def __init__(
        self,
        topics: Topics,
        state: DeliveryState,
        write: Write,
        unrecorded: Unrecorded,
        told: Callable[[DeliveryState], None],
    ) -> None:
        self.topics = topics
        self.state = state
        self._write = write
        self._unrecorded = unrecorded
        self._told = told

    async def record(self, step: Step) -> None:
        """Write a step, then let the state follow.

        Raises:
            BrokerUnavailable: nobody knows whether it was written.
            TakenOver: another process delivers now; nothing was written.
        """
        lines = [self._line(event) for event in step.events]
        letters = self.topics.dead_letters
        lines += [
            Line(letters, letter.key, letter.model_dump_json().encode())
            for letter in step.letters
        ]
        await self._write(lines)
        self.state.apply(step.events)
        self._told(self.state)

    async def record_outcome(self, step: Step) -> None:
        """Write what came of an attempt; what Kafka does not take is kept till it does.

        Raises:
            BrokerUnavailable: it is kept.
            TakenOver: another process delivers now, and will repeat the message.
        """
        try:
            await self.record(step)
        except BrokerUnavailable:
            self._unrecorded.append(step)
            raise

    async def catch_up(self) -> None:
        """Write what was kept, the oldest first."""
        while self._unrecorded:
            await self.record(self._unrecorded[0])
            del self._unrecorded[0]

    def _line(self, event: DeliveryEvent) -> Line:
        return Line(self.topics.deliveries, event.key, event.model_dump_json().encode())


def given_up(one: Waiting, failed: AlertDeliveryFailed, topics: Topics) -> DeadLetter:
    """Return the dead letter of an alert that a route could not deliver."""
    return DeadLetter(
        reason="delivery_failed",
        detail=f"route {failed.route}: {failed.reason} ({failed.attempts} attempts)",
        origin_topic=topics.budget_alerts.name,
        origin_partition=one.routed.alert_partition,
        origin_offset=one.routed.alert_offset,
        origin_position=None,
        recorded_at=failed.failed_at,
        payload=b64encode(one.routed.alert.encode()),
    )
