"""Dead letters and a desk to retry them at: topics as plain lists, and no broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from taximeter.letters.retry import Choice, Outcome, Ways, retry_letters
from taximeter_schemas.clock import ManualClock
from taximeter_schemas.dead_letters import (
    DeadLetter,
    DeadLetterEvent,
    DeadLetterReason,
    DeadLetterRetried,
)
from taximeter_schemas.records import Fault, Origin, dead_letter
from taximeter_schemas.usage import UsageEvent
from tests.builders import NOON

__all__ = ["Crash", "CrashAt", "Desk", "a_letter", "named"]

CrashAt = Literal["send", "amid", "note"]


def a_letter(
    payload: bytes = b"{broken",
    offset: int = 0,
    position: int | None = None,
    reason: DeadLetterReason = "not_json",
    recorded_at: datetime = NOON,
) -> DeadLetter:
    """Return a dead letter of the first partition that holds these bytes."""
    origin = Origin("taximeter.usage", 0, offset)
    return dead_letter(Fault(reason, "?", payload), origin, position, recorded_at)


def named(*letters: DeadLetter) -> frozenset[str]:
    """Return the names of letters, as a person gives them."""
    return frozenset(letter.key.decode() for letter in letters)


class Crash(Exception):
    """The command was killed here."""


@dataclass
class Desk:
    """Where letters are retried, and what came of it.

    `crash_at` kills the command before it sends, after half of what it sends, or
    before its note. `charged` is what the ledger has.
    """

    topic: list[DeadLetterEvent] = field(default_factory=list[DeadLetterEvent])
    sent: list[UsageEvent] = field(default_factory=list[UsageEvent])
    charged: set[UUID] = field(default_factory=set[UUID])
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOON))
    crash_at: CrashAt | None = None

    def retry(self, choice: Choice | None = None) -> list[Outcome]:
        """Run the command; without a choice on all letters that are open."""
        return asyncio.run(retry_letters(choice or Choice(), self._ways(), self.clock))

    @property
    def notes(self) -> list[DeadLetterRetried]:
        """What was noted."""
        return [each for each in self.topic if isinstance(each, DeadLetterRetried)]

    @property
    def sent_ids(self) -> list[UUID]:
        """What was sent, in its order."""
        return [event.event_id for event in self.sent]

    def _ways(self) -> Ways:
        return Ways(self._letters, self._charged, self._send, self._note)

    async def _letters(self) -> AsyncGenerator[DeadLetterEvent, None]:
        for event in list(self.topic):
            yield event

    def _charged(self, event_ids: Iterable[UUID]) -> Collection[UUID]:
        return self.charged.intersection(event_ids)

    async def _send(self, events: Sequence[UsageEvent]) -> None:
        if self.crash_at == "send":
            raise Crash
        if self.crash_at == "amid":
            self.sent += events[: len(events) // 2]
            raise Crash
        self.sent += events

    async def _note(self, notes: Sequence[DeadLetterRetried]) -> None:
        if self.crash_at == "note":
            raise Crash
        self.topic += notes
