"""Send what dead letters hold into `usage` after all, and note that it was done.

It knows neither Kafka nor the ledger: what it needs of them is given to it, so that a
crash between any two of its steps can be tried without either.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from taximeter.letters.fixes import Fixes
from taximeter.letters.second_reading import SecondReading, read_again, read_corrected
from taximeter_schemas.clock import Clock
from taximeter_schemas.dead_letters import (
    DeadLetter,
    DeadLetterEvent,
    DeadLetterRetried,
)
from taximeter_schemas.usage import UsageEvent

__all__ = ["Choice", "Outcome", "Ways", "retry_letters"]

_BATCH_LETTERS: Final = 500
_BATCH_BYTES: Final = 16 * 1024 * 1024


@dataclass(frozen=True)
class Choice:
    """Which letters, and with what in their place.

    Attributes:
        keys: the letters by name; None means every one that is open.
        reason: only those that were kept for it.
        fixes: corrected events, by the letter's key.
        again: also those that were retried already.
        dry_run: read and tell, and neither send nor note.
    """

    keys: frozenset[str] | None = None
    reason: str | None = None
    fixes: Fixes = field(default_factory=dict[str, Sequence[object]])
    again: bool = False
    dry_run: bool = False

    def takes(self, letter: DeadLetter) -> bool:
        """Tell whether a letter is one of those that are meant."""
        named = self.keys is None or letter.key.decode() in self.keys
        return named and self.reason in (None, letter.reason)

    def read(self, letter: DeadLetter, now: datetime) -> SecondReading:
        """Read a letter as it is, or what is given in its place."""
        fix = self.fixes.get(letter.key.decode())
        if fix is None:
            return read_again(letter.payload, now)
        return read_corrected(letter, fix, now)


@dataclass(frozen=True)
class Ways:
    """What a retry needs of Kafka and the ledger.

    Attributes:
        letters: yields what the dead-letters topic has now, from its beginning.
        charged: tells which of some events have a charge in the ledger.
        send: returns when Kafka has acknowledged the events in `usage`.
        note: returns when Kafka has acknowledged the notes in `dead-letters`.
    """

    letters: Callable[[], AsyncGenerator[DeadLetterEvent, None]]
    charged: Callable[[Collection[UUID]], Collection[UUID]]
    send: Callable[[Sequence[UsageEvent]], Awaitable[None]]
    note: Callable[[Sequence[DeadLetterRetried]], Awaitable[None]]


@dataclass(frozen=True)
class Outcome:
    """What came of one letter.

    `events` were found good in it; `charged_before` of them had a charge already and
    were not sent. `still_dead` with events means that the rest keeps it open.
    """

    key: str
    outcome: Literal["retried", "readable", "retried_before", "still_dead", "not_found"]
    events: int = 0
    charged_before: int = 0
    reason: str | None = None
    detail: str | None = None

    @property
    def failed(self) -> bool:
        """Tell whether something is left to be done for it."""
        return self.outcome in ("still_dead", "not_found")


async def retry_letters(choice: Choice, ways: Ways, clock: Clock) -> list[Outcome]:
    """Retry the letters that are meant, some hundred at a time.

    One that was retried before is told if it was named, and left alone unless
    `choice.again`; one sent again by that counts once all the same.

    Raises:
        BrokerUnavailable: Kafka went away. What was noted stays so, and retrying
            once more is harmless.
    """
    run = _Run(choice, ways, clock)
    await run.learn()
    await run.go_through()
    return run.outcomes


class _Run:
    def __init__(self, choice: Choice, ways: Ways, clock: Clock) -> None:
        self._choice = choice
        self._ways = ways
        self._clock = clock
        self._noted: dict[str, datetime] = {}
        self._seen: set[str] = set()
        self._batch: list[DeadLetter] = []
        self._batch_bytes = 0
        self.outcomes: list[Outcome] = []

    async def learn(self) -> None:
        """Learn first what was retried: a note stands behind its letter."""
        async with aclosing(self._ways.letters()) as events:
            async for event in events:
                if isinstance(event, DeadLetterRetried):
                    self._noted[event.dead_letter_id] = event.retried_at

    async def go_through(self) -> None:
        async with aclosing(self._ways.letters()) as events:
            async for event in events:
                if isinstance(event, DeadLetter) and self._choice.takes(event):
                    await self._take(event)
        await self._retry()
        for key in sorted((self._choice.keys or frozenset()) - self._seen):
            self.outcomes.append(Outcome(key, "not_found"))

    async def _take(self, letter: DeadLetter) -> None:
        key = letter.key.decode()
        if key in self._seen:
            return
        self._seen.add(key)
        if key in self._noted and not self._choice.again:
            self._leave(key)
            return
        self._batch.append(letter)
        self._batch_bytes += len(letter.payload)
        if len(self._batch) >= _BATCH_LETTERS or self._batch_bytes >= _BATCH_BYTES:
            await self._retry()

    def _leave(self, key: str) -> None:
        if self._choice.keys is not None:
            at = self._noted[key].isoformat(timespec="seconds")
            self.outcomes.append(Outcome(key, "retried_before", detail=f"at {at}"))

    async def _retry(self) -> None:
        # Nothing is lost at any step, since the letter stays where it is, and nothing
        # counts twice.
        letters, self._batch, self._batch_bytes = self._batch, [], 0
        # 1. Read. A crash here has done nothing.
        read = [(each, self._choice.read(each, self._clock.now())) for each in letters]
        # 2. Ask the ledger what is charged already: by an earlier retry that crashed
        #    before its note, or by somebody who has sent the same event since. The
        #    workers know an id for the dedupe horizon only, the ledger for ever.
        found = {event.event_id: event for _, one in read for event in one.events}
        charged = set(self._ways.charged(found))
        if not self._choice.dry_run:
            # 3. Send. A crash on the way leaves some events in `usage` and the letters
            #    open: the next retry sends the same ids. Within the horizon the
            #    workers count them once; after it step 2 has seen their charges.
            new = [event for key, event in found.items() if key not in charged]
            await self._ways.send(new)
            # 4. Note what is done. A crash before it costs what one in step 3 does.
            done = [one for one in read if not one[1].refusals]
            await self._ways.note([self._note(*one) for one in done])
        self.outcomes += [self._outcome(*one, charged) for one in read]

    def _note(self, letter: DeadLetter, reading: SecondReading) -> DeadLetterRetried:
        key = letter.key.decode()
        return DeadLetterRetried(
            event_type="DeadLetterRetried",
            dead_letter_id=key,
            event_ids=tuple(event.event_id for event in reading.events),
            corrected=key in self._choice.fixes,
            retried_at=self._clock.now(),
        )

    def _outcome(
        self, letter: DeadLetter, reading: SecondReading, charged: Collection[UUID]
    ) -> Outcome:
        before = sum(event.event_id in charged for event in reading.events)
        told = Outcome(letter.key.decode(), "retried", len(reading.events), before)
        if reading.refusals:
            reason, detail = reading.refusals[0]
            return replace(told, outcome="still_dead", reason=reason, detail=detail)
        return replace(told, outcome="readable") if self._choice.dry_run else told
