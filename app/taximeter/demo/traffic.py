"""The demo's usage events: a real trace, given users, projects and models.

Pure and deterministic: a seed and a number of calls make the same events everywhere,
down to their ids; only their dates follow the day on which the demo is run. So the
same seed costs the same, to the last digit, on every machine.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import accumulate
from random import Random
from typing import Final, NamedTuple

from taximeter.demo.cast import (
    ENDPOINTS,
    ERRORS,
    MODELS,
    PROJECTS,
    USERS,
    Model,
    Project,
)
from taximeter.demo.trace import TracedCall
from taximeter_schemas.ids import derived_id
from taximeter_schemas.usage import Usage, UsageRecorded

__all__ = ["WEEK", "recorded", "with_repeats"]

WEEK: Final = timedelta(days=7)

_FAILED: Final = 0.005
_SENT_TWICE: Final = 0.01
_LATEST_REPEAT: Final = 500
_AT_HOME: Final = 0.8
_USUAL_MODEL: Final = 0.6
_NEW_SESSION: Final = 0.2
_STAGING: Final = 0.15
_CACHED: Final = 0.35
_CACHEABLE_TOKENS: Final = 1024
_CACHE_BLOCK: Final = 128
_WRITES_CACHE: Final = 0.25
_REASONED: Final = 0.5
_TURN_SHIFT: Final = timedelta(seconds=1)
_MICROSECOND: Final = timedelta(microseconds=1)


class _Chance:
    """Choices made of `Random.random()` alone, whose sequence Python guarantees."""

    def __init__(self, seed: str) -> None:
        self._next = Random(seed).random  # noqa: S311 - a game, not a secret

    def happens(self, share: float) -> bool:
        return self._next() < share

    def below(self, limit: int) -> int:
        return int(self._next() * limit)

    def weighted(self, cumulative: Sequence[float]) -> int:
        return bisect_right(cumulative, self._next() * cumulative[-1])


# Division is rounded alike on every machine, which a power is not: so 1/rank.
_USER_WEIGHTS: Final = tuple(accumulate(1 / (rank + 8) for rank in range(len(USERS))))
_MODEL_WEIGHTS: Final = tuple(accumulate(float(model.weight) for model in MODELS))


class _Caller(NamedTuple):
    user: str
    session: str
    project: Project
    model: Model


def recorded(
    trace: Sequence[TracedCall], calls: int, seed: int, until: datetime
) -> Iterator[UsageRecorded]:
    """Yield one event for each of the first calls of a trace, each once, in order.

    Args:
        trace: what is replayed; for more calls than it has, it begins again.
        calls: how many.
        seed: decides who calls what, and every id.
        until: the end (exclusive) of the seven days over which the calls are spread
            as the trace spreads them over its hour.
    """
    chance = _Chance(f"taximeter-demo-{seed}")
    sessions = [0] * len(USERS)
    for number, moment in enumerate(_moments(trace, calls, until)):
        caller = _caller(chance, sessions)
        yield _event(chance, caller, trace[number % len(trace)], (seed, number), moment)


def with_repeats(
    events: Iterable[UsageRecorded], seed: int
) -> Iterator[tuple[UsageRecorded, bool]]:
    """Yield every event, and about one in a hundred of them once more a while later.

    The flag says whether it is such a repeat: the same event, which counts once.
    """
    chance = _Chance(f"taximeter-demo-repeats-{seed}")
    waiting: list[tuple[int, int, UsageRecorded]] = []
    for number, event in enumerate(events):
        yield event, False
        if chance.happens(_SENT_TWICE):
            due = number + 1 + chance.below(_LATEST_REPEAT)
            heapq.heappush(waiting, (due, number, event))
        while waiting and waiting[0][0] <= number:
            yield heapq.heappop(waiting)[2], True
    while waiting:
        yield heapq.heappop(waiting)[2], True


def _moments(
    trace: Sequence[TracedCall], calls: int, until: datetime
) -> Iterator[datetime]:
    """Stretch the calls' own moments over the week that ends at `until`."""
    chosen = trace[:calls]
    if not chosen:
        return
    start = until - WEEK
    span = _microseconds(chosen[-1].moment - chosen[0].moment) + 1
    for number in range(calls):
        turn, place = divmod(number, len(trace))
        into = _microseconds(trace[place].moment - chosen[0].moment)
        stretched = into * _microseconds(WEEK) // span * _MICROSECOND
        yield start + (stretched + turn * _TURN_SHIFT) % WEEK


def _microseconds(length: timedelta) -> int:
    return length // _MICROSECOND


def _caller(chance: _Chance, sessions: list[int]) -> _Caller:
    user = chance.weighted(_USER_WEIGHTS)
    at_home, anywhere = chance.happens(_AT_HOME), chance.below(len(PROJECTS))
    project = PROJECTS[user % len(PROJECTS) if at_home else anywhere]
    usual, any_model = chance.happens(_USUAL_MODEL), chance.weighted(_MODEL_WEIGHTS)
    if chance.happens(_NEW_SESSION) or not sessions[user]:
        sessions[user] += 1
    return _Caller(
        USERS[user],
        f"{USERS[user]}-{sessions[user]}",
        project,
        MODELS[project.model if usual else any_model],
    )


def _event(
    chance: _Chance,
    caller: _Caller,
    call: TracedCall,
    identity: tuple[int, int],
    moment: datetime,
) -> UsageRecorded:
    team, env = caller.project.team, "staging" if chance.happens(_STAGING) else "prod"
    failed, error = chance.happens(_FAILED), ERRORS[chance.below(len(ERRORS))]
    event = UsageRecorded(
        event_id=derived_id("demo", *map(str, identity)),
        occurred_at=moment,
        source="taximeter-demo",
        provider=caller.model.provider,
        model=caller.model.name,
        usage=_usage(chance, caller.model, call),
        user_id=caller.user,
        project_id=caller.project.name,
        session_id=caller.session,
        endpoint=ENDPOINTS[chance.below(len(ENDPOINTS))],
        tags={"team": team, "env": env},
        duration_ms=180 + call.generated_tokens * 14 + chance.below(400),
    )
    if not failed:
        return event
    return event.model_copy(update={"status": "error", "error_type": error})


def _usage(chance: _Chance, model: Model, call: TracedCall) -> Usage:
    """Split the trace's two counts into disjoint buckets that add up to them."""
    cached, written = _cached(chance, model, call.context_tokens)
    reasoning = _reasoning(chance, model, call.generated_tokens)
    counts = {
        "text_input_tokens": call.context_tokens - cached - written,
        "cache_read_tokens": cached,
        "cache_write_5m_tokens": written,
        "text_output_tokens": call.generated_tokens - reasoning,
        "reasoning_output_tokens": reasoning,
    }
    return Usage.model_validate({name: n for name, n in counts.items() if n})


def _cached(chance: _Chance, model: Model, context: int) -> tuple[int, int]:
    """Return how much of a long context came from the cache, and went into it."""
    hit, percent = chance.happens(_CACHED), 25 + chance.below(60)
    writes = chance.happens(_WRITES_CACHE) and model.writes_cache
    if context < _CACHEABLE_TOKENS:
        return 0, 0
    blocks = context * percent // 100 // _CACHE_BLOCK
    cached = blocks * _CACHE_BLOCK if hit else 0
    return cached, (context - cached) // 2 if writes else 0


def _reasoning(chance: _Chance, model: Model, generated: int) -> int:
    reasoned, percent = chance.happens(_REASONED), 20 + chance.below(50)
    return generated * percent // 100 if reasoned and model.reasons else 0
