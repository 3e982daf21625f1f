"""A watcher as properties try it: partial sums in any order, flushes and crashes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from hypothesis import strategies as st

from taximeter_processors.budgets import BudgetBook, BudgetFlush
from taximeter_processors.rows import StoredRows
from taximeter_processors.windows import window_start
from taximeter_schemas.alerts import BudgetThresholdCrossed
from taximeter_schemas.budgets import BudgetEvent, BudgetStatus
from taximeter_schemas.spend import Partial, PartialRow
from taximeter_schemas.subjects import Subject
from tests.builders import NOON

LATER = NOON + timedelta(hours=14)
MEMORY = st.sampled_from((1, 2, 1000))
SUBJECTS = (
    Subject("user", "ada"),
    Subject("user", "grace"),
    Subject("all", ""),
    Subject("user&model", '["ada","gpt-4o"]'),
)
WINDOWS = [window_start(NOON + timedelta(hours=hours)) for hours in (0, 1, 13)]
_NOTHING = Partial("0", 0, 0, 0, -1)

Mark = Literal["begin a flush", "end it", "crash", "learn again"]
MARKS: tuple[Mark, ...] = ("begin a flush", "end it", "crash", "learn again")


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
        cost, calls, _, tokens, _ = before[-1] if before else _NOTHING
        cost = str(int(cost) + dollars * 10**12)
        partial = Partial(cost, calls + 1, 0, tokens + 10 * dollars, n)
        said.append(Said(source, PartialRow(*subject, window, partial)))
    return said


@st.composite
def deliveries(draw: st.DrawFn) -> list[Said | Mark]:
    """Return a story shuffled, with repetitions, and with what befalls the watcher."""
    said = draw(stories())
    again = draw(st.lists(st.sampled_from(said), max_size=10)) if said else []
    marks: list[Mark] = draw(
        st.lists(
            st.sampled_from(MARKS),
            max_size=15,
        )
    )
    steps: list[Said | Mark] = [*said, *again, *marks]
    return draw(st.permutations(steps))


@dataclass
class Watcher:
    """The watcher of one partition: what it wrote, and where it stands in its log.

    `memory` is how much of everything it may keep there; for it, it is always `now`.
    """

    log: list[Said]
    memory: int
    told: Sequence[BudgetEvent]
    now: datetime = LATER

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
        """Hear of all budgets and plans, again."""
        self.book.learn(*self.told)

    def read(self, end: int) -> None:
        """Take in what stands in the log up to there."""
        for said in self.log[self.next : end]:
            self.book.take(said.source, said.row)
        self.next = end

    def begin(self) -> None:
        """Begin to write; what is read from here on is for the next time."""
        if self.flushing is None:
            self.book.tick(self.now)
            self.flushing = self.book.flush(self.now), self.next

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


def watched(
    steps: list[Said | Mark],
    memory: int,
    told: Sequence[BudgetEvent],
    now: datetime = LATER,
) -> Watcher:
    """Deliver everything, and let befall what does."""
    log = [step for step in steps if isinstance(step, Said)]
    watcher = Watcher(log, memory, told, now)
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


def last_words(steps: list[Said | Mark]) -> Iterator[PartialRow]:
    """Yield the last row of each source, for each subject and window."""
    last: dict[tuple[object, ...], PartialRow] = {}
    for step in steps:
        if isinstance(step, Said):
            place = step.source, *step.row[:3]
            held = last.get(place)
            if held is None or held.partial.offset < step.row.partial.offset:
                last[place] = step.row
    return iter(last.values())
