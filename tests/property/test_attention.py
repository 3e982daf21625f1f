"""Alerts besides thresholds: each once, whatever order, repetition and restarts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Literal, NamedTuple, TypeVar
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from taximeter_processors.anomalies import AnomalyRules
from taximeter_processors.attention import AttentionRules
from taximeter_processors.budgets import BudgetBook, BudgetFlush
from taximeter_processors.digests import DigestRules
from taximeter_processors.merge import SpendMerge
from taximeter_processors.rows import StoredRows
from taximeter_processors.windows import window_start
from taximeter_schemas.alerts import (
    Alert,
    BudgetForecastExceeded,
    BudgetThresholdCrossed,
    DigestDue,
    PriceMissing,
    SpendAnomalyDetected,
    SpendRecovered,
)
from taximeter_schemas.budgets import BudgetDefined
from taximeter_schemas.spend import Partial, PartialRow
from taximeter_schemas.subjects import EVERYTHING, Scope, Subject
from tests.builders import NOON

HOUR = timedelta(hours=1)
NOW = NOON + timedelta(hours=2, minutes=30)
LATER = NOW + timedelta(minutes=11)
ADA, MODEL = Subject("user", "ada"), Subject("model", "nobody-knows")
SUBJECTS = (ADA, MODEL, EVERYTHING)
YESTERDAY = NOON - timedelta(hours=13)
TODAY = (NOON, NOON + HOUR / 2, NOON + HOUR)
MOMENTS = (YESTERDAY, *TODAY)
RULES = AttentionRules(
    AnomalyRules(kinds=("user", "all"), minimum_usd=Decimal(4)), DigestRules(("day",))
)
USUAL = 4 * 10**12
BUDGETS = (
    BudgetDefined(
        budget_id="ada-daily",
        scope=Scope(user="*"),
        period="day",
        limit_usd=Decimal(9),
        alert_on_forecast=True,
        defined_at=NOON - timedelta(days=3),
    ),
    BudgetDefined(
        budget_id="calls",
        period="day",
        limit_calls=4,
        alert_on_forecast=True,
        defined_at=NOON - timedelta(days=3),
    ),
)

A = TypeVar("A", bound=Alert)
Mark = Literal["begin", "end", "crash", "tick", "learn"]
MARKS: tuple[Mark, ...] = ("begin", "end", "crash", "tick", "learn")


class Said(NamedTuple):
    """One partial sum, as one source partition states it."""

    source: int
    row: PartialRow


def _history() -> list[tuple[bytes, bytes]]:
    """Return rows of 1 USD in each of the hours that NOON's are compared with."""
    merge = SpendMerge({})
    for subject in SUBJECTS:
        for days in (7, 14, 21):
            for hours in (-1, 0, 1, 2):
                at = window_start(NOON - timedelta(days=days) + hours * HOUR)
                merge.take(
                    9, PartialRow(*subject, at, Partial("1" + "0" * 12, 1, 0, 0, 0))
                )
    return merge.changed()


HISTORY = _history()


@st.composite
def stories(draw: st.DrawFn, least: int) -> list[Said]:
    """Return partial sums in their order; each changes the last one of its row."""
    said: list[Said] = []
    sums: dict[tuple[object, ...], tuple[int, int]] = {}
    for offset, dollars in enumerate(
        draw(st.lists(st.integers(least, 6), max_size=14))
    ):
        source, subject = draw(st.integers(0, 1)), draw(st.sampled_from(SUBJECTS))
        window = window_start(draw(st.sampled_from(MOMENTS)))
        cost, calls = sums.get((source, subject, window), (0, 0))
        cost, calls = max(cost + dollars * 10**12, 0), calls + 1
        sums[source, subject, window] = cost, calls
        unpriced = calls if subject == MODEL and dollars % 2 else 0
        partial = Partial(str(cost), calls, unpriced, 0, offset)
        said.append(Said(source, PartialRow(*subject, window, partial)))
    return said


@st.composite
def deliveries(draw: st.DrawFn, least: int = 0) -> list[Said | Mark]:
    """Return a story shuffled, with repetitions, and with what befalls the watcher."""
    said = draw(stories(least))
    again = draw(st.lists(st.sampled_from(said), max_size=8)) if said else []
    marks = draw(st.lists(st.sampled_from(MARKS), max_size=15))
    return draw(st.permutations([*said, *again, *marks]))


class Watcher:
    """The watcher of one partition, told of partial sums and of the time."""

    book: BudgetBook
    flushing: tuple[BudgetFlush, int] | None

    def __init__(self, log: list[Said]) -> None:
        self.log = log
        self.rows = StoredRows()
        self.rows.put(HISTORY)
        self.alerts: list[Alert] = []
        self.written = self.next = 0
        self.befall("crash")

    def read(self, end: int) -> None:
        """Take in what stands in the log up to there."""
        for said in self.log[self.next : end]:
            self.book.take(said.source, said.row)
        self.next = max(self.next, end)

    def befall(self, mark: Mark, now: datetime = NOW) -> None:
        """Let something happen."""
        match mark:
            case "begin" if self.flushing is None:
                self.flushing = self.book.flush(now), self.next
            case "end" if self.flushing is not None:
                (flush, self.written), self.flushing = self.flushing, None
                self.rows.put(flush.rows)
                self.alerts += [*flush.alerts, *flush.others]
                self.book.flushed()
            case "crash":
                self.book = BudgetBook(self.rows, 10, RULES)
                self.flushing = None
                self.next = self.written
                self.book.learn(*BUDGETS)
            case "tick":
                self.book.tick(now)
            case "learn":
                self.book.learn(*BUDGETS)
            case _:
                pass


def watched(steps: list[Said | Mark]) -> list[Alert]:
    """Deliver everything, let befall what does, and time go by; return all alerts."""
    watcher = Watcher([step for step in steps if isinstance(step, Said)])
    delivered = 0
    for step in steps:
        if isinstance(step, Said):
            delivered += 1
        else:
            watcher.befall(step)
        watcher.read(delivered)
    for now in (NOW, LATER):
        for _ in range(6):
            watcher.befall("tick", now)
        for _ in range(2):
            watcher.befall("end", now)
            watcher.befall("begin", now)
    watcher.befall("end", LATER)
    return watcher.alerts


def last_words(steps: list[Said | Mark]) -> list[PartialRow]:
    """Return the newest partial of each source and row."""
    last: dict[tuple[object, ...], PartialRow] = {}
    for step in steps:
        if isinstance(step, Said):
            place = (step.source, *step.row[:3])
            held = last.get(place)
            if held is None or held.partial.offset < step.row.partial.offset:
                last[place] = step.row
    return list(last.values())


def of(kind: type[A], alerts: list[Alert]) -> list[A]:
    """Return the alerts of one kind."""
    return [alert for alert in alerts if isinstance(alert, kind)]


@given(deliveries(least=-6))
def test_nothing_is_raised_twice(steps: list[Said | Mark]) -> None:
    """Every alert has an id of its own, and what recovers was raised before it."""
    alerts = watched(steps)

    ids = [alert.alert_id for alert in alerts]
    assert len(ids) == len(set(ids))
    for place, alert in enumerate(alerts):
        if isinstance(alert, SpendRecovered):
            assert alert.recovers in ids[:place]


@given(deliveries())
def test_every_odd_hour_is_raised(steps: list[Said | Mark]) -> None:
    """Spend only grows here, so the anomalies are those of the final sums."""
    sums: dict[tuple[Subject, int], int] = {}
    for row in last_words(steps):
        key = Subject(row.kind, row.id), row.window_start // 3600 * 3600
        sums[key] = sums.get(key, 0) + int(row.partial.cost_pico)
    odd = {
        (subject.kind, datetime.fromtimestamp(hour, UTC))
        for (subject, hour), cost in sums.items()
        if cost > USUAL and subject != MODEL and hour >= NOON.timestamp()
    }

    raised = {
        (alert.subject_kind, alert.hour_start)
        for alert in of(SpendAnomalyDetected, watched(steps))
        if alert.hour_start >= NOON
    }

    assert raised == odd


@given(deliveries())
def test_every_day_without_a_price_is_raised(steps: list[Said | Mark]) -> None:
    """A model that ends a day with unpriced calls has been told of, that day."""
    days = {
        datetime.fromtimestamp(row.window_start, UTC).date()
        for row in last_words(steps)
        if row.kind == "model" and row.partial.unpriced_calls
    }

    assert days <= {alert.day for alert in of(PriceMissing, watched(steps))}


@given(deliveries())
def test_the_digest_is_raised_if_there_was_anything(steps: list[Said | Mark]) -> None:
    """Yesterday has one if, and only if, anybody called anything."""
    any_call = any(
        row.kind == "all" and row.window_start == window_start(YESTERDAY)
        for row in last_words(steps)
    )

    assert len(of(DigestDue, watched(steps))) == any_call


@given(deliveries())
def test_a_forecast_comes_before_what_it_foretells(steps: list[Said | Mark]) -> None:
    """Never after the limit was crossed, for the same budget, subject and period."""
    crossed = set[tuple[object, ...]]()
    for alert in watched(steps):
        if isinstance(alert, BudgetThresholdCrossed):
            if alert.threshold_percent >= 100:
                crossed.add((alert.budget_id, alert.subject_id, alert.period_start))
        elif isinstance(alert, BudgetForecastExceeded):
            place = alert.budget_id, alert.subject_id, alert.period_start
            assert place not in crossed
            assert alert.spent < alert.limit < alert.projected


@given(deliveries())
def test_order_and_crashes_change_no_certain_alert(steps: list[Said | Mark]) -> None:
    """The same sums raise the same anomalies, prices and digests in any order."""
    said: list[Said | Mark] = [step for step in steps if isinstance(step, Said)]
    one, other = watched(steps), watched(sorted(said, key=repr))

    assert _certain(one) == _certain(other)


def _certain(alerts: list[Alert]) -> set[UUID]:
    odd = {a.alert_id for a in of(SpendAnomalyDetected, alerts) if a.hour_start >= NOON}
    return odd | {alert.alert_id for alert in of(DigestDue, alerts)}
