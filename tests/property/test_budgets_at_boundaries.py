"""From events to alerts where periods end and clocks change, in zones that differ.

What must be is worked out from the calls, by the clocks on the wall of a zone, without
any of the code that finds periods, merges sums or hands limits on.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from taximeter_schemas.budgets import BudgetDefined, BudgetStatus
from taximeter_schemas.money import usd_from_pico
from taximeter_schemas.records import usage_partition
from taximeter_schemas.subjects import Scope, Subject
from taximeter_schemas.usage import Usage, UsageRecorded
from tests.builders import a_usage
from tests.metering import Bench, as_packed
from tests.property.watching import MARKS, MEMORY, Mark, Said, Watcher, watched

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
QUARTER = timedelta(minutes=15)
# So far before or after a boundary a call is made, in quarters of an hour.
NEAR = (-97, -96, -8, -5, -4, -2, -1, 0, 1, 3, 4, 7, 95, 96, 3000)
PICO_A_TOKEN = 3_000_001

Wall = tuple[object, ...]
Due = tuple[Subject, Wall, int]


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


def wall(budget: BudgetDefined, at: datetime) -> Wall:  # noqa: PLR0911 - one each
    """Return what the clocks and the calendar on a wall say of the period at a moment.

    An hour that comes twice is two, by the time that it is apart from Greenwich.
    """
    there = at.astimezone(ZoneInfo(budget.time_zone))
    match budget.period.removeprefix("rolling_"):
        case "hour":
            return there.date(), there.hour, there.utcoffset()
        case "day":
            return (there.date(),)
        case "week":
            return there.isocalendar()[:2]
        case "month":
            return there.year, there.month
        case "quarter":
            return there.year, (there.month + 2) // 3
        case "year":
            return (there.year,)
        case _:
            return ()


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


def in_unit(budget: BudgetDefined, calls: list[UsageRecorded]) -> Decimal:
    """Return what calls come to in the unit of a budget's limit."""
    tokens = sum(call.usage.text_input_tokens for call in calls)
    if budget.unit == "usd":
        return usd_from_pico(tokens * PICO_A_TOKEN)
    return Decimal(tokens if budget.unit == "tokens" else len(calls))


def by_subject(case: Case) -> dict[Subject, list[UsageRecorded]]:
    """Return the calls of each subject that the budget is about."""
    each: dict[Subject, list[UsageRecorded]] = {}
    for call in case.calls:
        users, model = Subject("user", call.user_id), Subject("model", call.model)
        subject = {"all": Subject("all", ""), "user": users, "model": model}
        each.setdefault(subject[case.budget.scope.kind], []).append(call)
    return each


def by_period(
    budget: BudgetDefined, calls: list[UsageRecorded]
) -> dict[Wall, list[UsageRecorded]]:
    """Return the calls of each period."""
    periods: dict[Wall, list[UsageRecorded]] = {}
    for call in calls:
        periods.setdefault(wall(budget, call.occurred_at), []).append(call)
    return periods


def limits(
    budget: BudgetDefined, periods: dict[Wall, list[UsageRecorded]]
) -> dict[Wall, Decimal]:
    """Return each period's limit: handed on, quarter by quarter, from the first one."""
    own = budget.limit or Decimal(0)
    found = dict.fromkeys(periods, own)
    if not budget.rollover:
        return found
    handed, before = Decimal(0), None
    for at in _quarters(budget, periods):
        now = wall(budget, at)
        if before is not None and now != before:
            left = own + handed - in_unit(budget, periods.get(before, []))
            kept = "unused" if left > 0 else "overspent"
            handed = left if kept in budget.rollover else Decimal(0)
            if now in found:
                found[now] = max(Decimal(0), own + handed)
        before = now
    return found


def _quarters(
    budget: BudgetDefined, periods: dict[Wall, list[UsageRecorded]]
) -> Iterator[datetime]:
    moments = [call.occurred_at for calls in periods.values() for call in calls]
    at = budget.defined_at
    while moments and at <= max(moments):
        yield at
        at += QUARTER


def reached(budget: BudgetDefined, used: Decimal, limit: Decimal) -> list[int]:
    """Return the thresholds that so much is at."""
    percents = budget.thresholds_percent
    return [p for p in percents if used > 0 and used * 100 >= p * limit]


def due(case: Case) -> set[Due]:
    """Return every alert that has to be raised."""
    if case.budget.period in ROLLING:
        return rolling_due(case)
    return {
        (subject, period, percent)
        for subject, calls in by_subject(case).items()
        for periods in [by_period(case.budget, calls)]
        for period, limit in limits(case.budget, periods).items()
        for percent in reached(
            case.budget, in_unit(case.budget, periods[period]), limit
        )
    }


def rolling_due(case: Case) -> set[Due]:
    """Return what was reached whenever a call was made, once in each hour or day."""
    budget, found = case.budget, set[Due]()
    for subject, calls in by_subject(case).items():
        for call in calls:
            end = _quarter_of(call) + QUARTER
            used = in_unit(budget, _within(budget, calls, end))
            for percent in reached(budget, used, budget.limit or Decimal(0)):
                found.add((subject, wall(budget, call.occurred_at), percent))
    return found


def _within(
    budget: BudgetDefined, calls: list[UsageRecorded], end: datetime
) -> list[UsageRecorded]:
    hours = 1 if budget.period == "rolling_hour" else 24
    start = end - timedelta(hours=hours)
    return [call for call in calls if start <= _quarter_of(call) < end]


def _quarter_of(call: UsageRecorded) -> datetime:
    at = call.occurred_at
    return at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0)


def raised(case: Case, watcher: Watcher) -> list[Due]:
    """Return what was raised, each under the period that the wall shows for it."""
    found: list[Due] = []
    for alert in watcher.alerts:
        inside = alert.period_start
        if case.budget.period in ROLLING:
            assert alert.period_end is not None
            inside = alert.period_end - QUARTER
        at = wall(case.budget, inside) if inside is not None else ()
        subject = Subject(alert.subject_kind, alert.subject_id)
        found.append((subject, at, alert.threshold_percent))
    return found


def stated(budget: BudgetDefined, status: BudgetStatus) -> tuple[Decimal, Decimal]:
    """Return what a status says was used, and its limit."""
    counted = Decimal(status.tokens if budget.unit == "tokens" else status.calls)
    used = status.spent_usd if budget.unit == "usd" else counted
    limit = status.limit_usd or status.limit_tokens or status.limit_calls or 0
    return used, Decimal(limit)


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

    alerts = raised(case, watcher)
    assert len({a.alert_id for a in watcher.alerts}) == len(alerts)
    assert sorted(alerts, key=repr) == sorted(due(case), key=repr)
    if case.budget.period in ROLLING:
        return
    found = {
        (Subject(s.subject_kind, s.subject_id), _period_of(case.budget, s)): stated(
            case.budget, s
        )
        for s in watcher.statuses.values()
    }
    assert found == {
        (subject, period): (in_unit(case.budget, periods[period]), limit)
        for subject, calls in by_subject(case).items()
        for periods in [by_period(case.budget, calls)]
        for period, limit in limits(case.budget, periods).items()
    }


def _period_of(budget: BudgetDefined, status: BudgetStatus) -> Wall:
    start = status.period_start
    return () if start is None else wall(budget, start)
