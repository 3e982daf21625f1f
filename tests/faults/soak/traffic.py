"""The soak's calls: each number is one call for ever, and what it costs.

Pure, so that a process that starts over emits the very same events, and what the
books must say is computed from numbers alone, without the workers' code.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final, NamedTuple
from uuid import UUID

from taximeter_schemas.usage import Usage, UsageRecorded
from tests.builders import an_id

__all__ = ["USERS", "Expected", "Traffic"]

USERS: Final = 200
PROJECTS: Final = 12
DUPLICATES_PERCENT: Final = 3

_BETWEEN: Final = timedelta(microseconds=50)
_64_BITS: Final = (1 << 64) - 1


class _Model(NamedTuple):
    provider: str
    name: str
    input_pico: int | None
    output_pico: int


# Pico-dollars a token, as the price lists of their providers have them.
_USUAL: Final = _Model("anthropic", "claude-sonnet-4-5", 3_000_000, 15_000_000)
_RARE: Final = {
    0: _Model("openai", "gpt-4o-mini", 150_000, 600_000),
    1: _Model("acme", "a-model-without-a-price", None, 0),
}


@dataclass(frozen=True)
class Expected:
    """What the books must say about the first so many calls, in pico-dollars."""

    calls: int
    unpriced: int
    by_user: Counter[str]
    by_project: Counter[str]

    @property
    def cost_pico(self) -> int:
        """What all of them cost together."""
        return self.by_user.total()


@dataclass(frozen=True)
class Traffic:
    """A stream of calls, in which 3 % come a second time.

    Args:
        seed: streams of unlike seeds have no event in common.
        start: when call number 0 happened.
        delays: how many calls later a duplicate may come; 0 is at once.
    """

    seed: int
    start: datetime
    delays: tuple[int, ...] = (0, 10, 1_000)

    def event(self, number: int) -> UsageRecorded:
        """Return the call of this number."""
        bits = self._bits(number)
        model, tokens_in, tokens_out = _consumed(bits)
        return UsageRecorded(
            event_id=self.event_id(number),
            occurred_at=self.start + number * _BETWEEN,
            source="soak",
            provider=model.provider,
            model=model.name,
            user_id=_user(bits),
            project_id=_project(bits),
            usage=Usage(text_input_tokens=tokens_in, text_output_tokens=tokens_out),
        )

    def event_id(self, number: int) -> UUID:
        """Return the number's id; the ids of a stream follow one another."""
        return UUID(int=self._first_id + number)

    def sent(self, number: int) -> list[int]:
        """Return what is sent when it is this number's turn: it, and duplicates."""
        earlier = (
            number - delay
            for delay in self.delays
            if number >= delay and self._comes_again_after(number - delay) == delay
        )
        return [number, *earlier]

    def expected(self, calls: int) -> Expected:
        """Compute what the first so many calls cost, and whom."""
        unpriced, by_user, by_project = 0, Counter[str](), Counter[str]()
        for number in range(calls):
            bits = self._bits(number)
            model, tokens_in, tokens_out = _consumed(bits)
            if model.input_pico is None:
                unpriced += 1
                continue
            cost = model.input_pico * tokens_in + model.output_pico * tokens_out
            by_user[_user(bits)] += cost
            by_project[_project(bits)] += cost
        return Expected(calls, unpriced, by_user, by_project)

    @cached_property
    def _first_id(self) -> int:
        return an_id("soak", self.seed).int >> 48 << 48

    def _comes_again_after(self, number: int) -> int | None:
        bits = self._bits(number) >> 40
        if bits % 100 >= DUPLICATES_PERCENT:
            return None
        return self.delays[bits // 100 % len(self.delays)]

    def _bits(self, number: int) -> int:
        """Spread a number over 64 bits (the finaliser of SplitMix64)."""
        bits = (number + 1) * 0x9E3779B97F4A7C15 + self.seed * 0xD1B54A32D192ED03
        bits &= _64_BITS
        bits = (bits ^ bits >> 30) * 0xBF58476D1CE4E5B9 & _64_BITS
        bits = (bits ^ bits >> 27) * 0x94D049BB133111EB & _64_BITS
        return bits ^ bits >> 31


def _consumed(bits: int) -> tuple[_Model, int, int]:
    model = _RARE.get((bits >> 8) % 20, _USUAL)
    return model, (bits >> 16) % 4_000, (bits >> 32) % 800


def _user(bits: int) -> str:
    return f"user-{bits % USERS}"


def _project(bits: int) -> str:
    return f"project-{(bits >> 24) % PROJECTS}"
