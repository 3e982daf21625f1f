"""Kinds that budgets ask for, at any time, are counted as if they always had been."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Literal

from hypothesis import example, given
from hypothesis import strategies as st

from taximeter_processors.kinds import identify
from taximeter_processors.recount import Recount
from taximeter_processors.windows import window_start
from taximeter_schemas.charges import UsagePriced
from taximeter_schemas.money import pico_from_usd
from taximeter_schemas.usage import UsageRecorded
from tests.builders import NOON, a_usage
from tests.metering import Bench, as_packed

KINDS = ("tag:team", "session", "user&model", "endpoint&tag:team")

Befalls = Literal[
    "flush", "crash", "crash while flushing", "recount", "recount meanwhile"
]
Step = UsageRecorded | frozenset[str] | Befalls

CALLS = st.builds(
    a_usage,
    event_id=st.uuids(version=4),
    user_id=st.sampled_from(("ada", "grace")),
    model=st.sampled_from(("m", "n")),
    session_id=st.sampled_from((None, "s-1")),
    endpoint=st.sampled_from((None, "/answer")),
    tags=st.sampled_from(({}, {"team": "growth"}, {"team": "core", "env": "prod"})),
    occurred_at=st.sampled_from([NOON, NOON - timedelta(hours=1)]),
)
ASKED = st.frozensets(st.sampled_from(KINDS))
BEFALLS = st.sampled_from(
    ("flush", "crash", "crash while flushing", "recount", "recount meanwhile")
)
STEPS: st.SearchStrategy[list[Step]] = st.lists(
    st.one_of(CALLS, ASKED, BEFALLS), max_size=30
)


def recount(bench: Bench) -> None:
    """Read the charges back, for what is not complete yet."""
    uncounted = bench.meter.uncounted
    counting = Recount(uncounted)
    for _, value in bench.charge_records:
        counting.take(value)
    for kind, since in uncounted.items():
        bench.meter.recounted(kind, since, counting.sums[kind])


def befall(bench: Bench, event: Befalls) -> None:
    """Let something happen to a meter."""
    match event:
        case "flush":
            bench.flush()
        case "recount":
            recount(bench)
        case "recount meanwhile":  # what it flushes is not yet to be read
            flush = bench.begin_flush()
            recount(bench)
            bench.commit(flush)
        case "crash":
            bench.crash()
        case _:
            bench.crash_while_flushing()


def metered(steps: Sequence[Step]) -> Bench:
    """Let all of it happen, and then have it all written down."""
    bench, asked = Bench(), frozenset[str]()
    for step in steps:
        if isinstance(step, UsageRecorded):
            bench.send(as_packed(step))
            bench.apply()
            continue
        if isinstance(step, frozenset):
            asked = step
        else:
            befall(bench, step)
        bench.meter.count_kinds(asked)
        bench.apply()
    for _ in range(2):
        bench.flush()
        recount(bench)
    bench.flush()
    return bench


def expected(
    steps: Sequence[Step], bench: Bench
) -> dict[tuple[str, str, int], tuple[int, int, int]]:
    """Add up cost, calls and tokens of every charge for the kinds last asked for."""
    asked = next((s for s in reversed(steps) if isinstance(s, frozenset)), frozenset())
    costs = {
        charge.recorded.event_id: charge.cost_usd or Decimal(0)
        for charge in bench.charges
        if isinstance(charge, UsagePriced)
    }
    sums: dict[tuple[str, str, int], tuple[int, int, int]] = {}
    for call in (step for step in steps if isinstance(step, UsageRecorded)):
        cost = pico_from_usd(costs[call.event_id])
        for kind in asked:
            name = identify(kind)(call)
            if name is not None:
                place = kind, name, window_start(call.occurred_at)
                before = sums.get(place, (0, 0, 0))
                tokens = call.usage.text_input_tokens + call.usage.text_output_tokens
                more = cost, 1, tokens
                sums[place] = tuple(a + b for a, b in zip(before, more, strict=True))  # type: ignore[assignment]
    return sums


# A kind that is begun in a flush lacks what that flush charges, until it is written.
ASKED_AFTER_A_CALL: list[Step] = [
    a_usage(session_id="s-1"),
    frozenset({"session"}),
    "recount meanwhile",
]


@given(STEPS)
@example(ASKED_AFTER_A_CALL)
def test_what_is_asked_for_is_counted_from_the_first_call_on(
    steps: list[Step],
) -> None:
    """Whenever it was asked for, dropped, asked for again; whatever crashed meanwhile.

    What was said to those who merge, and what is stored, is one and the same.
    """
    bench = metered(steps)
    must = expected(steps, bench)
    for said in (bench.spend(), bench.newest_partials()):
        found = {
            place: (int(p.cost_pico), p.calls, p.tokens)
            for place, p in said.items()
            if place in must
        }
        assert found == must
