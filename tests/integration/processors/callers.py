"""Programs that reserve, as processes of their own, so that a test can kill them."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess

from taximeter_producers.attribution import usage_recorded
from taximeter_producers.reservations import Reservations
from taximeter_schemas.errors import ReservationDenied
from taximeter_schemas.topics import Topics
from taximeter_schemas.usage import Usage, UsageRecorded
from tests.integration.processors.broker_side import BrokerSide
from tests.waiting import eventually_async

__all__ = ["COST", "ESTIMATE", "Callers", "Program", "a_call"]

_FORKS = multiprocessing.get_context("forkserver")

ESTIMATE = Decimal("0.01")
# 1000 tokens in at 3 USD a million, 200 out at 15 USD a million.
COST = Decimal("0.006")
PATIENCE_SECONDS = 60


def a_call() -> UsageRecorded:
    """Return the event of a call that was just made."""
    return usage_recorded(
        provider="anthropic",
        model="claude-sonnet-4-5",
        usage=Usage(text_input_tokens=1000, text_output_tokens=200),
        user_id="alice",
    )


@dataclass
class Program:
    """One program with many callers at once; those who are granted wait to call."""

    process: ForkServerProcess
    line: Connection
    outcomes: Counter[str] = field(default_factory=Counter[str])
    events: list[UsageRecorded] = field(default_factory=list[UsageRecorded])

    def listen(self) -> None:
        """Take note of what it has said."""
        with suppress(EOFError):  # it has ended
            while self.line.poll():
                self._note(self.line.recv())

    def _note(self, said: str) -> None:
        if said in ("granted", "denied"):
            self.outcomes[said] += 1
        else:
            self.events.append(UsageRecorded.model_validate_json(said))

    def kill(self) -> None:
        """End it as the kernel would."""
        self.process.kill()
        self.process.join()

    def finish(self) -> list[UsageRecorded]:
        """Let those who were granted make their calls; return the events of these."""
        self.line.send("go on")
        self.process.join(PATIENCE_SECONDS)
        self.listen()
        return self.events


@dataclass
class Callers:
    """Starts programs on one installation; `close` ends what is left of them."""

    side: BrokerSide
    programs: list[Program] = field(default_factory=list[Program])

    def start(self, programs: int, callers: int) -> None:
        """Start so many programs, each with so many callers."""
        for _ in range(programs):
            ours, theirs = _FORKS.Pipe()
            told = (theirs, self.side.bootstrap, self.side.topics.prefix, callers)
            process = _FORKS.Process(target=_run, args=told)
            process.start()
            self.programs.append(Program(process, ours))

    @property
    def outcomes(self) -> Counter[str]:
        """How often callers had which answer."""
        return sum((program.outcomes for program in self.programs), Counter[str]())

    async def decided(self, count: int) -> None:
        """Wait until so many have their answer."""

        async def all_of_them() -> bool:
            for program in self.programs:
                program.listen()
            return self.outcomes.total() == count

        await eventually_async(all_of_them, PATIENCE_SECONDS)

    def close(self) -> None:
        """End every program that still runs."""
        for program in self.programs:
            program.kill()


def _run(line: Connection, bootstrap: str, prefix: str, callers: int) -> None:
    """Be the program; this runs in its process."""
    topics = Topics(prefix=prefix)
    with Reservations(bootstrap, topics, timeout_seconds=PATIENCE_SECONDS) as made:
        asyncio.run(_calls(made, line, callers))


async def _calls(reservations: Reservations, line: Connection, callers: int) -> None:
    go_on = asyncio.Event()

    async def call() -> None:
        try:
            async with reservations.reserve(ESTIMATE, user="alice", model="m"):
                line.send("granted")
                await go_on.wait()
                line.send(a_call().model_dump_json())
        except ReservationDenied:
            line.send("denied")

    async with asyncio.TaskGroup() as tasks:
        for _ in range(callers):
            tasks.create_task(call())
        await asyncio.to_thread(line.recv)
        go_on.set()
