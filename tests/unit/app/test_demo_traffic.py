"""The demo's traffic: the same for the same seed, true to the trace, all priced."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from taximeter.demo.cast import MODELS, PROJECTS, USERS
from taximeter.demo.trace import TracedCall, read_trace
from taximeter.demo.traffic import WEEK, recorded, with_repeats
from taximeter_processors.price_book import litellm_price_book
from taximeter_schemas.records import encode_event
from taximeter_schemas.usage import INPUT_TOKENS, OUTPUT_TOKENS, Usage, UsageRecorded

MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC)

Trace = list[TracedCall]
Events = list[UsageRecorded]


@pytest.fixture(scope="module")
def trace() -> Trace:
    """Give the whole trace."""
    return read_trace()


@pytest.fixture(scope="module")
def events(trace: Trace) -> Events:
    """Give the default run's events, each once."""
    return _events(trace)


def _events(
    trace: Trace,
    calls: int | None = None,
    seed: int = 1,
    until: datetime = MIDNIGHT,
) -> Events:
    return list(recorded(trace, calls or len(trace), seed, until))


def _cost_usd(events: Events) -> Decimal:
    book = litellm_price_book()
    priced = [book.price(event) for event in events]
    assert {each.unpriced_reason for each in priced} == {None}
    pico = sum((each.input_pico or 0) + (each.output_pico or 0) for each in priced)
    return Decimal(pico).scaleb(-12)


def _sum(usage: Usage, names: tuple[str, ...]) -> int:
    return sum(getattr(usage, name) for name in names)


def test_the_trace_is_whole(trace: Trace) -> None:
    """The packed trace holds every call of the original, in the order of time."""
    assert len(trace) == 19_366
    assert trace[0][1:] == (374, 44)
    assert trace[-1][1:] == (197, 183)
    assert sum(call.context_tokens for call in trace) == 22_361_870
    assert all(a.moment <= b.moment for a, b in pairwise(trace))


def test_a_seed_makes_the_same_events(trace: Trace) -> None:
    """Two runs with one seed emit the same bytes."""
    one, two = (_events(trace, 500) for _ in range(2))
    assert [*map(encode_event, one)] == [*map(encode_event, two)]


def test_another_seed_makes_other_events(trace: Trace) -> None:
    """Two seeds share no id and do not cost the same."""
    one, two = _events(trace, 500, seed=1), _events(trace, 500, seed=2)
    assert not {each.event_id for each in one} & {each.event_id for each in two}
    assert _cost_usd(one) != _cost_usd(two)


def test_the_day_of_the_run_changes_nothing_but_dates(trace: Trace) -> None:
    """The same seed on another day has the same ids, users, models and cost."""
    one = _events(trace, 500)
    two = _events(trace, 500, until=MIDNIGHT + timedelta(days=40))
    assert [each.event_id for each in one] == [each.event_id for each in two]
    moved = timedelta(days=40)
    assert one == [
        each.model_copy(update={"occurred_at": each.occurred_at - moved})
        for each in two
    ]


def test_buckets_add_up_to_the_trace(trace: Trace, events: Events) -> None:
    """Every call's input and output buckets add up to what the trace counted."""
    for call, event in zip(trace, events, strict=True):
        assert _sum(event.usage, INPUT_TOKENS) == call.context_tokens
        assert _sum(event.usage, OUTPUT_TOKENS) == call.generated_tokens


def test_all_kinds_of_tokens_are_there(events: Events) -> None:
    """Cached, cache-written and reasoning tokens stand in buckets of their own."""
    for name in (
        "cache_read_tokens",
        "cache_write_5m_tokens",
        "reasoning_output_tokens",
    ):
        with_some = sum(getattr(event.usage, name) > 0 for event in events)
        assert 200 < with_some < len(events) / 2


def test_ids_are_unique(trace: Trace) -> None:
    """No two calls share an id, even when the trace is repeated."""
    short = trace[:100]
    events = _events(short, 1_000)
    assert len({event.event_id for event in events}) == 1_000


def test_a_cast_as_in_life(events: Events) -> None:
    """All users, projects and models appear, the busiest user far above the rest."""
    users = Counter(event.user_id for event in events)
    assert len(users) == len(USERS) == 200
    assert len({event.project_id for event in events}) == len(PROJECTS) == 12
    assert len({event.model for event in events}) == len(MODELS) == 8
    assert len({event.provider for event in events}) >= 4
    ranked = [count for _, count in users.most_common()]
    assert ranked[0] > 10 * ranked[-1]
    assert all(event.session_id and event.endpoint for event in events)
    assert all(set(event.tags) == {"team", "env"} for event in events)


def test_every_call_has_a_price(events: Events) -> None:
    """The pinned price list prices all of it, at an amount that never changes."""
    assert _cost_usd(events) == Decimal("53.950515408000")


def test_a_few_calls_failed(events: Events) -> None:
    """About one call in two hundred failed, and says how."""
    failed = [event for event in events if event.status == "error"]
    assert 0.003 < len(failed) / len(events) < 0.007
    assert all(event.error_type for event in failed)
    assert not any(event.error_type for event in events if event.status == "ok")


@pytest.mark.parametrize("calls", [2, 500, 19_366, 25_000])
def test_spread_over_the_week_before_today(trace: Trace, calls: int) -> None:
    """All of it happened in the seven days before midnight, on the first and last."""
    moments = [event.occurred_at for event in _events(trace, calls)]
    assert min(moments) == MIDNIGHT - WEEK
    assert max(moments) < MIDNIGHT
    assert max(moments) >= MIDNIGHT - timedelta(days=1)


def test_one_in_a_hundred_is_sent_twice(events: Events) -> None:
    """Repeats are the same events, later, and about one per cent of them."""
    sends = list(with_repeats(events, seed=1))
    firsts = [event for event, again in sends if not again]
    repeats = [event for event, again in sends if again]
    assert firsts == events
    assert 0.008 < len(repeats) / len(events) < 0.012
    assert len({event.event_id for event in repeats}) == len(repeats)
    place = {event.event_id: at for at, (event, again) in enumerate(sends) if not again}
    for at, (event, again) in enumerate(sends):
        if again:
            assert at > place[event.event_id]
            assert event is sends[place[event.event_id]][0]
