"""From events to alerts where periods end and clocks change, in zones that differ.

What must be is worked out from the calls, by the clocks on the wall of a zone, without
any of the code that finds periods, merges sums or hands limits on.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from taximeter_schemas.budgets import BudgetDefined
from taximeter_schemas.records import usage_partition
from taximeter_schemas.subjects import Scope
from taximeter_schemas.usage import Usage, UsageRecorded
from tests.builders import a_usage
from tests.metering import Bench, as_packed
from tests.property.watching import MARKS, MEMORY, Mark, Said, watched
from tests.recomputing import QUARTER, Recomputed, raised, stands

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/St_Johns",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "America/Santiago",
)
CALENDAR = ("hour", "day", "week", "month", "quarter", "year", "total")
ROLLING = ("rolling_hour", "rolling_day")
HANDING_ON = ("hour", "day", "week")
LIMITS: tuple[dict[str, object], ...] = (
    {"limit_usd": "0.003"},
    {"limit_usd": None, "limit_tokens": 700},
    {"limit_usd": None, "limit_calls": 3},
)
# So far before or after a boundary a call is made, in quarters of an hour.
NEAR = (-97, -96, -8, -5, -4, -2, -1, 0, 1, 3, 4, 7, 95, 96, 3000)
PICO_A_TOKEN = 3_000_001


class Case(NamedTuple):
    """A budget, and calls around a boundary of its zone; some are delivered twice."""

    budget: BudgetDefined
    calls: list[UsageRecorded]
    delivered: list[UsageRecorded]
    flush_after: list[bool]

    @property
    def now(self) -> datetime:
        """A moment at which all of it has happened."""
        return max([c.occurred_at for c in self.calls] or [self.budget.defined_at])


@cache
def changes_of_clocks(zone: str) -> list[datetime]:
    """Return when a zone's clocks change in 2026, and when its year ends."""
    new_year = datetime(2027, 1, 1, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    quarters = [start + n * QUARTER for n in range(365 * 96)]
    apart = [at.astimezone(ZoneInfo(zone)).utcoffset() for at in quarters]
    pairs = zip(quarters[1:], pairwise(apart), strict=True)
    return [new_year, *(at for at, (one, other) in pairs if one != other)]


@st.composite
def boundaries(draw: st.DrawFn, zone: str) -> datetime:
    """Return a moment at which something ends in a zone."""
    midnight = datetime(2026, draw(st.integers(1, 12)), 1, tzinfo=ZoneInfo(zone))
    monday = datetime(2026, 11, 23, tzinfo=ZoneInfo(zone))
    found = [midnight.astimezone(UTC), monday.astimezone(UTC)]
    return draw(st.sampled_from([*changes_of_clocks(zone), *found]))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw a budget of any period, zone and unit, and calls where its periods end."""
    zone = draw(st.sampled_from(ZONES))
    period = draw(st.sampled_from((*CALENDAR, *ROLLING)))
    boundary = draw(boundaries(zone))
    stated: dict[str, object] = {
        "budget_id": "b",
        "scope": draw(st.sampled_from((Scope(), Scope(user="*"), Scope(model="m")))),
        "period": period,
        "time_zone": zone,
        "thresholds_percent": (50, 100, 250),
        "defined_at": boundary - timedelta(days=40),
    } | draw(st.sampled_from(LIMITS))
    if period in HANDING_ON:
        kept = st.lists(st.sampled_from(("unused", "overspent")), unique=True)
        stated |= {
            "rollover": tuple(draw(kept)),
            "defined_at": boundary - timedelta(days=2),
        }
    calls = draw(st.lists(calls_near(boundary), max_size=7))
    again = draw(st.lists(st.sampled_from(calls), max_size=4)) if calls else []
    delivered = draw(st.permutations([*calls, *again]))
    flush_after = draw(st.lists(st.booleans(), max_size=len(delivered)))
    return Case(BudgetDefined.model_validate(stated), calls, delivered, flush_after)


def calls_near(boundary: datetime) -> st.SearchStrategy[UsageRecorded]:
    """Draw a call some quarters of an hour before or after a boundary."""
    return st.builds(
        lambda event_id, quarters, second, user, tokens: a_usage(
            event_id=event_id,
            occurred_at=boundary + quarters * QUARTER + timedelta(seconds=second),
            user_id=user,
            model="m",
            usage=Usage(text_input_tokens=tokens),
        ),
        st.uuids(version=4),
        st.sampled_from(NEAR),
        st.sampled_from((0, 899)),
        st.sampled_from(("ada", "grace")),
        st.sampled_from((0, 100, 333, 700)),
    )


def said_of(case: Case) -> list[Said]:
    """Return the partial sums that two partitions' meters say of what is delivered."""
    benches = [Bench(partition=n, partitions=2) for n in range(2)]
    for number, call in enumerate(case.delivered):
        bench = benches[usage_partition(call.event_id, 2)]
        bench.send(as_packed(call), case.now)
        bench.apply()
        if case.flush_after[number : number + 1] == [True]:
            bench.flush()
    for bench in benches:
        bench.flush()
    return [Said(b.partition, row) for b in benches for row in b.partials]


def pico_of(call: UsageRecorded) -> int:
    """Return what a call costs with the bench's prices."""
    return call.usage.text_input_tokens * PICO_A_TOKEN


@settings(max_examples=120)
@given(cases(), MEMORY, st.data())
def test_each_threshold_once_and_each_status_recomputed(
    case: Case, memory: int, data: st.DataObject
) -> None:
    """Any order, repetition and lateness of calls, sums, flushes and crashes."""
    said = said_of(case)
    again = data.draw(st.lists(st.sampled_from(said), max_size=5)) if said else []
    marks: list[Mark] = data.draw(st.lists(st.sampled_from(MARKS), max_size=8))
    steps: list[Said | Mark] = data.draw(st.permutations([*said, *again, *marks]))

    watcher = watched(steps, memory, [case.budget], case.now)

    alerts = [raised(case.budget, alert) for alert in watcher.alerts]
    must = Recomputed(case.budget, case.calls, pico_of)
    assert len({alert.alert_id for alert in watcher.alerts}) == len(alerts)
    assert sorted(alerts, key=repr) == sorted(must.due(), key=repr)
    if not must.rolls:
        statuses = watcher.statuses.values()
        assert dict(stands(case.budget, one) for one in statuses) == must.stands()
