"""Which fault comes when: a function of the seed.

In the first third of a soak everything may be killed. Afterwards the second worker,
the sink and the broker may be frozen, shut out and moved about, but are not killed:
each of them then lives long enough for a leak to be seen.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from random import Random
from typing import Final, Literal

__all__ = ["EARLY", "LATER", "SPARED_FROM", "Asked", "Fault", "Kind", "plan"]

Kind = Literal[
    "kill -9 of worker-1",
    "kill -9 of worker-2",
    "kill -9 of sink",
    "kill -9 of broker",
    "kill -9 of the emitting process",
    "a worker frozen past its session",
    "a further worker joins or leaves",
    "the broker out of reach",
]

LATER: Final[tuple[Kind, ...]] = (
    "kill -9 of worker-1",
    "kill -9 of the emitting process",
    "a worker frozen past its session",
    "a further worker joins or leaves",
    "a further worker joins or leaves",
    "the broker out of reach",
)
EARLY: Final[tuple[Kind, ...]] = (
    "kill -9 of worker-2",
    "kill -9 of sink",
    "kill -9 of broker",
    *LATER,
)
SPARED_FROM: Final = 1 / 3


@dataclass(frozen=True)
class Fault:
    """One fault: when, what, for how long if it lasts, and one of two ways."""

    at_seconds: float
    kind: Kind
    lasts_seconds: float
    other_way: bool


@dataclass(frozen=True)
class Asked:
    """How long, how often, how fast; without a rate, half of what is found."""

    seconds: float
    every_seconds: float
    seed: int
    rate: float | None

    @classmethod
    def of_environment(cls) -> Asked:
        """Read what was asked for; without that, the short form of the suite."""

        def number(name: str, usual: str) -> float:
            return float(os.environ.get(f"TAXIMETER_SOAK_{name}") or usual)

        seconds = number("SECONDS", "30")
        every = number("FAULT_EVERY", "30" if seconds > 300 else "7")
        rate = number("RATE", "0" if seconds > 300 else "300") or None
        return cls(seconds, every, int(number("SEED", "1")), rate)

    @property
    def long(self) -> bool:
        """Tell whether it is long enough to say something about memory."""
        return self.seconds >= 1_000


def plan(seed: int, seconds: float, every: float) -> list[Fault]:
    """Return the faults of a soak, every kind once before any comes again.

    >>> plan(1, 1200, 30) == plan(1, 1200, 30) != plan(2, 1200, 30)
    True
    """
    random = Random(seed)
    faults: list[Fault] = []
    waiting: dict[tuple[Kind, ...], list[Kind]] = {EARLY: [], LATER: []}
    for number in range(1, int(seconds / every)):
        at = (number + random.uniform(0, 0.2)) * every
        kinds = EARLY if at < seconds * SPARED_FROM else LATER
        if not waiting[kinds]:
            waiting[kinds] = random.sample(kinds, len(kinds))
        kind, lasts = waiting[kinds].pop(), random.uniform(8, 12)
        faults.append(Fault(at, kind, lasts, random.random() < 0.5))
    return faults
