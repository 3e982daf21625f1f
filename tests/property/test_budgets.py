"""Whatever order, repetition and restarts: one spend, one alert a threshold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Literal, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from taximeter_processors.budgets import BudgetBook, BudgetFlush
from taximeter_processors.rows import StoredRows
from taximeter_processors.windows import period_bounds, window_start
from taximeter_schemas.alerts import BudgetThresholdCrossed
from taximeter_schemas.budgets import BudgetDefined, BudgetStatus
from taximeter_schemas.money import usd_from_pico
from taximeter_schemas.spend import Partial, PartialRow
from taximeter_schemas.subjects import Scope, Subject
from tests.builders import NOON

LATER = NOON + timedelta(hours=14)
MEMORY = st.sampled_from((1, 2, 1000))
SUBJECTS = (Subject("user", "ada"), Subject("user", "grace"), Subject("all", ""))
WINDOWS = [window_start(NOON + timedelta(hours=hours)) for hours in (0, 1, 13)]
BUDGETS = (
    BudgetDefined(
        budget_id="each-day",
        scope=Scope(user="*"),
        period="day",
        limit_usd=Decimal(20),
        defined_at=NOON,
    ),
    BudgetDefined(
        budget_id="zoned-hour",
        scope=Scope(user="ada"),
        period="hour",
        time_zone="Asia/Kathmandu",
        limit_usd=Decimal("0.5"),
        thresholds_percent=(1, 100, 1000),
        defined_at=NOON - timedelta(days=3),
    ),
    BudgetDefined(
        budget_id="total", period="total", limit_usd=Decimal(0), defined_at=NOON
    ),
)

Mark = Literal["begin a flush", "end it", "crash", "learn again"]


class Said(NamedTuple):
    """One partial sum, as one source partition states it."""

    source: int
    row: PartialRow


@st.composite
def stories(draw: st.DrawFn) -> list[Said]:
    """Return growing partial sums: for each row, what its source said in time."""
    said: list[Said] = []
    for n, dollars in enumerate(draw(st.lists(st.integers(0, 8), max_size=15))):
        source = draw(st.integers(0, 1))
        subject, window = (
            draw(st.sampled_from(SUBJECTS)),
            draw(st.sampled_from(WINDOWS)),
        )
        place = source, *subject, window
        before = [s.row.partial for s in said if (s.source, *s.row[:3]) == place]
        cost, calls = (
            (int(before[-1].cost_pico), before[-1].calls) if before else (0, 0)
        )
        partial = Partial(str(cost + dollars * 10**12), calls + 1, 0, 0, n)
        said.append(Said(source, PartialRow(*subject, window, partial)))
    return said


@st.composite
def deliveries(draw: st.DrawFn) -> list[Said | Mark]:
    """Return a story shuffled, with repetitions, and with what befalls the watcher."""
    said = draw(stories())
    again = draw(st.lists(st.sampled_from(said), max_size=10)) if said else []
    marks: list[Mark] = draw(
        st.lists(
            st.sampled_from(("begin a flush", "end it", "crash", "learn again")),
            max_size=15,
        )
    )
    steps: list[Said | Mark] = [*said, *again, *marks]
    return draw(st.permutations(steps))


@dataclass
class Watcher:
    """The watcher of one partition: what it wrote, and where it stands in its log.

    `memory` is how much of everything it may keep there.
    """

    log: list[Said]
    memory: int

    def __post_init__(self) -> None:
        self.rows = StoredRows(self.memory)
        self.alerts: list[BudgetThresholdCrossed] = []
        self.statuses: dict[bytes, BudgetStatus] = {}
        self.written = 0
        self.crash()

    def crash(self) -> None:
        """Begin anew behind what was last written."""
        self.book = BudgetBook(self.rows, self.memory)
        self.flushing: tuple[BudgetFlush, int] | None = None
        self.next = self.written
        self.learn()

    def learn(self) -> None:
        """Hear of all budgets, again."""
        self.book.learn(*BUDGETS)

    def read(self, end: int) -> None:
        """Take in what stands in the log up to there."""
        for said in self.log[self.next : end]:
            self.book.take(said.source, said.row)
        self.next = end

    def begin(self) -> None:
        """Begin to write; what is read from here on is for the next time."""
        if self.flushing is None:
            self.flushing = self.book.flush(LATER), self.next

    def end(self) -> None:
        """Have it written, all or nothing."""
        if self.flushing is None:
            return
        (flush, self.written), self.flushing = self.flushing, None
        self.rows.put(flush.rows)
        self.alerts += flush.alerts
        for key, value in flush.statuses:
            self.statuses.pop(key, None)
            if value is not None:
                self.statuses[key] = BudgetStatus.model_validate_json(value)
        self.book.flushed()

    def befall(self, mark: Mark) -> None:
        """Let something happen."""
        match mark:
            case "begin a flush":
                self.begin()
            case "end it":
                self.end()
            case "learn again":
                self.learn()
            case _:
                self.crash()


def watched(steps: list[Said | Mark], memory: int) -> Watcher:
    """Deliver everything, and let befall what does."""
    watcher = Watcher([step for step in steps if isinstance(step, Said)], memory)
    delivered = 0
    for step in steps:
        if isinstance(step, Said):
            delivered += 1
            watcher.read(delivered)
        else:
            watcher.befall(step)
            watcher.read(delivered)
    for _ in range(2):
        watcher.end()
        watcher.begin()
    watcher.end()
    return watcher


def recomputed(steps: list[Said | Mark]) -> dict[tuple[str, Subject, object], Decimal]:
    """Add up the last word of each source, per budget, subject and period."""
    last: dict[tuple[object, ...], tuple[PartialRow, int]] = {}
    for step in steps:
        if isinstance(step, Said):
            place = step.source, *step.row[:3]
            held = last.get(place)
            if held is None or held[1] < step.row.partial.offset:
                last[place] = step.row, step.row.partial.offset
    sums: dict[tuple[str, Subject, object], Decimal] = {}
    for row, _ in last.values():
        subject = Subject(row.kind, row.id)
        for budget in BUDGETS:
            if budget.scope.covers(subject):
                bounds = period_bounds(
                    budget.period, budget.time_zone, row.window_start
                )
                key = budget.budget_id, subject, bounds.start
                usd = usd_from_pico(int(row.partial.cost_pico))
                sums[key] = sums.get(key, Decimal(0)) + usd
    return sums


@given(deliveries(), MEMORY)
def test_statuses_are_the_recomputed_spend(
    steps: list[Said | Mark], memory: int
) -> None:
    """The latest status of each account is the sum of the last words, exactly."""
    found = {
        (
            s.budget_id,
            Subject(s.subject_kind, s.subject_id),
            s.period_start,
        ): s.spent_usd
        for s in watched(steps, memory).statuses.values()
    }
    assert found == recomputed(steps)


@given(deliveries(), MEMORY)
def test_every_threshold_reached_is_raised_once(
    steps: list[Said | Mark], memory: int
) -> None:
    """Spend only grows here, so the alerts are what the final sums say, once each."""
    raised = [
        (
            a.budget_id,
            Subject(a.subject_kind, a.subject_id),
            a.period_start,
            a.threshold_percent,
        )
        for a in watched(steps, memory).alerts
    ]
    due = {
        (*key, percent)
        for key, usd in recomputed(steps).items()
        for budget in BUDGETS
        if budget.budget_id == key[0] and usd > 0
        for percent in budget.thresholds_percent
        if usd * 100 >= percent * (budget.limit or 0)
    }
    assert len(raised) == len(set(raised))
    assert set(raised) == due


@given(deliveries(), MEMORY)
def test_order_does_not_matter(steps: list[Said | Mark], memory: int) -> None:
    """The same partials in another order, with memory or without, end the same."""
    said: list[Said | Mark] = [step for step in steps if isinstance(step, Said)]
    shuffled = sorted(said, key=repr)
    one, other = watched(steps, memory), watched(shuffled, 1000)
    assert one.statuses == other.statuses
    assert {a.alert_id for a in one.alerts} == {a.alert_id for a in other.alerts}
