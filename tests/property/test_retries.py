"""However often dead letters are retried, and whatever crashes, each counts once."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from taximeter.letters.retry import Choice
from taximeter_schemas.charges import UsagePriced
from taximeter_schemas.records import encode_event
from tests.builders import a_usage, an_id
from tests.lettering import Crash, CrashAt, Desk
from tests.metering import Bench, as_packed

EVENTS = [a_usage(event_id=an_id("retry", number)) for number in range(4)]

Worker = Literal["crash", "crash while flushing"]


@dataclass(frozen=True)
class Broken:
    """A record arrives in which this event is broken, beside two good ones."""

    number: int


@dataclass(frozen=True)
class Repaired:
    """Whoever sent the broken event sends it again, good, before it was charged."""

    number: int


@dataclass(frozen=True)
class Retry:
    """Somebody retries all open letters, with or without those retried before."""

    crash_at: CrashAt | None
    again: bool


@dataclass(frozen=True)
class Wait:
    """Time passes, the sink with it; ids may leave the dedupe memory."""

    hours: int


numbers = st.integers(0, len(EVENTS) - 1)
quiet_steps = st.one_of(
    st.builds(Broken, numbers),
    st.builds(Retry, st.none(), st.just(value=False)),
    st.builds(Wait, st.integers(1, 40)),
    st.sampled_from(("crash", "crash while flushing")),
)
steps = st.one_of(
    quiet_steps,
    st.builds(Repaired, numbers),
    st.builds(Retry, st.sampled_from((None, "send", "amid", "note")), st.booleans()),
)


@dataclass
class World:
    """A worker, the letters that it wrote, and a desk where they are retried."""

    bench: Bench = field(default_factory=Bench)
    desk: Desk = field(default_factory=Desk)
    broken: set[UUID] = field(default_factory=set[UUID])
    has_ledger: bool = True

    def take(self, step: Broken | Repaired | Retry | Wait | Worker) -> None:
        """Let one thing happen."""
        match step:
            case Broken(number):
                self.break_one(number)
            case Repaired(number):
                if EVENTS[number].event_id not in self.charges():
                    self.arrive(encode_event(EVENTS[number]))
            case Retry(crash_at, again):
                self.retry(crash_at, again=again)
            case Wait(hours):
                self.wait(hours)
            case "crash":
                self.bench.crash()
            case _:
                self.bench.crash_while_flushing()

    def break_one(self, number: int) -> None:
        """Put a record with a broken event among good ones of its own."""
        fields = json.loads(encode_event(EVENTS[number])) | {"surprise": 1}
        good = [a_usage(event_id=an_id("beside", number, at)) for at in range(2)]
        value = as_packed(good[0], json.dumps(fields).encode(), good[1])
        if not any(event.event_id in self.charges() for event in good):
            self.arrive(value)
            self.broken.add(EVENTS[number].event_id)

    def arrive(self, value: bytes) -> None:
        """Put a record behind the others; the worker applies it."""
        self.bench.send(value, self.desk.clock.now())
        self.bench.apply()

    def retry(self, crash_at: CrashAt | None, *, again: bool = False) -> None:
        """Retry with corrections; what was sent arrives even if the command died."""
        self.settle()
        before = len(self.desk.sent)
        self.desk.crash_at = crash_at
        with suppress(Crash):
            self.desk.retry(Choice(fixes=self._fixes(), again=again))
        for event in self.desk.sent[before:]:
            self.arrive(encode_event(event))

    def wait(self, hours: int) -> None:
        """Move the clock; the ledger has all that was charged before it moved."""
        self.settle()
        self.desk.clock.move(timedelta(hours=hours))
        if self.has_ledger:
            self.desk.charged = set(self.charges())

    def settle(self) -> None:
        """Let the worker write down what it applied."""
        self.bench.apply()
        self.bench.flush()
        known = {event.key for event in self.desk.topic}
        self.desk.topic += [one for one in self.bench.letters if one.key not in known]

    def charges(self) -> Counter[UUID]:
        """Return how often each event was charged."""
        self.settle()
        priced = [one for one in self.bench.charges if isinstance(one, UsagePriced)]
        return Counter(one.recorded.event_id for one in priced)

    def _fixes(self) -> dict[str, list[object]]:
        return {
            letter.key.decode(): [_without_surprise(letter.payload)]
            for letter in self.bench.letters
        }


def _without_surprise(payload: bytes) -> object:
    fields = json.loads(payload)
    del fields["surprise"]
    return fields


@given(st.lists(steps, max_size=20))
def test_a_retried_event_is_charged_once(history: list[object]) -> None:
    """With crashes, waits beyond the horizon and repaired events: each once.

    At the end somebody retries once more, and it works: then every event that had
    been broken is charged, and nothing is charged twice.
    """
    _end_well(World(), history)


@given(st.lists(quiet_steps, max_size=20))
def test_a_note_is_enough_without_a_ledger(history: list[object]) -> None:
    """Where no retry crashes, the notes alone keep one beyond the horizon away."""
    _end_well(World(has_ledger=False), history)


def _end_well(world: World, history: list[object]) -> None:
    for step in history:
        world.take(step)  # type: ignore[arg-type]
    world.retry(None)
    charges = world.charges()
    assert world.broken <= charges.keys()
    assert set(charges.values()) <= {1}
