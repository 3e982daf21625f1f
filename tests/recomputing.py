"""What budgets must say of calls, worked out naively: by the clocks on the wall.

None of the code is used that finds periods, merges sums or hands limits on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from taximeter_schemas.alerts import BudgetThresholdCrossed
from taximeter_schemas.budgets import BudgetDefined, BudgetStatus
from taximeter_schemas.money import usd_from_pico
from taximeter_schemas.subjects import Subject, subject_of, tag_dimension
from taximeter_schemas.usage import UsageRecorded

__all__ = ["QUARTER", "Due", "Recomputed", "Stands", "raised", "stands", "wall"]

QUARTER = timedelta(minutes=15)

Wall = tuple[object, ...]
Calls = list[UsageRecorded]


class Due(NamedTuple):
    """An alert that has to be raised."""

    budget_id: str
    subject: Subject
    period: Wall
    percent: int


class Stands(NamedTuple):
    """What is used of a limit, in its unit."""

    used: Decimal
    limit: Decimal


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


class Recomputed:
    """A budget and all the calls that there are.

    Args:
        budget: in force all the time.
        calls: each of them once.
        pico_of: what a call costs.
    """

    def __init__(
        self,
        budget: BudgetDefined,
        calls: Sequence[UsageRecorded],
        pico_of: Callable[[UsageRecorded], int],
    ) -> None:
        self.budget = budget
        self._pico_of = pico_of
        self._own = budget.limit or Decimal(0)
        self._calls: dict[Subject, Calls] = {}
        for call in calls:
            if (subject := _subject(budget, call)) is not None:
                self._calls.setdefault(subject, []).append(call)

    @property
    def rolls(self) -> bool:
        """Whether the period has no beginning."""
        return self.budget.period.startswith("rolling_")

    def due(self) -> set[Due]:
        """Return every alert that has to be raised."""
        if self.rolls:
            return {
                one for s, calls in self._calls.items() for one in self._in(s, calls)
            }
        return {
            Due(self.budget.budget_id, subject, period, percent)
            for (subject, period), (used, limit) in self.stands().items()
            for percent in self._reached(used, limit)
        }

    def used_at(self, now: datetime) -> dict[Subject, Decimal]:
        """Return what each subject used in so much time, if anything."""
        end = _quarter(now) + QUARTER
        used = {s: self._used(self._within(c, end)) for s, c in self._calls.items()}
        return {subject: amount for subject, amount in used.items() if amount}

    def stands(self) -> dict[tuple[Subject, Wall], Stands]:
        """Return how each subject stands in each period."""
        return {
            (subject, period): Stands(self._used(periods[period]), limit)
            for subject, calls in self._calls.items()
            for periods in [self._periods(calls)]
            for period, limit in self._limits(periods).items()
        }

    def _used(self, calls: Calls) -> Decimal:
        if self.budget.unit == "usd":
            return usd_from_pico(sum(map(self._pico_of, calls)))
        used = [call.usage for call in calls]
        tokens = sum(one.text_input_tokens + one.text_output_tokens for one in used)
        return Decimal(tokens if self.budget.unit == "tokens" else len(calls))

    def _periods(self, calls: Calls) -> dict[Wall, Calls]:
        periods: dict[Wall, Calls] = {}
        for call in calls:
            periods.setdefault(wall(self.budget, call.occurred_at), []).append(call)
        return periods

    def _limits(self, periods: dict[Wall, Calls]) -> dict[Wall, Decimal]:
        """Return each period's limit: handed on, quarter by quarter, from the first."""
        found = dict.fromkeys(periods, self._own)
        if not self.budget.rollover:
            return found
        handed, before = Decimal(0), None
        for at in self._quarters(periods):
            now = wall(self.budget, at)
            if before is not None and now != before:
                left = self._own + handed - self._used(periods.get(before, []))
                kept = "unused" if left > 0 else "overspent"
                handed = left if kept in self.budget.rollover else Decimal(0)
                if now in found:
                    found[now] = max(Decimal(0), self._own + handed)
            before = now
        return found

    def _quarters(self, periods: dict[Wall, Calls]) -> Iterator[datetime]:
        moments = [call.occurred_at for calls in periods.values() for call in calls]
        at = self.budget.defined_at
        while moments and at <= max(moments):
            yield at
            at += QUARTER

    def _reached(self, used: Decimal, limit: Decimal) -> list[int]:
        percents = self.budget.thresholds_percent
        return [p for p in percents if used > 0 and used * 100 >= p * limit]

    def _in(self, subject: Subject, calls: Calls) -> Iterator[Due]:
        """Yield what was reached when calls were made, once in each hour or day."""
        for end in {_quarter_of(call) + QUARTER for call in calls}:
            used = self._used(self._within(calls, end))
            period = wall(self.budget, end - QUARTER)
            for percent in self._reached(used, self._own):
                yield Due(self.budget.budget_id, subject, period, percent)

    def _within(self, calls: Calls, end: datetime) -> Calls:
        hours = 1 if self.budget.period == "rolling_hour" else 24
        start = end - timedelta(hours=hours)
        return [call for call in calls if start <= _quarter_of(call) < end]


def raised(budget: BudgetDefined, alert: BudgetThresholdCrossed) -> Due:
    """Return an alert under the period that the wall shows for it."""
    inside = alert.period_start
    if budget.period.startswith("rolling_"):
        assert alert.period_end is not None
        inside = alert.period_end - QUARTER
    period = () if inside is None else wall(budget, inside)
    subject = Subject(alert.subject_kind, alert.subject_id)
    return Due(budget.budget_id, subject, period, alert.threshold_percent)


def stands(
    budget: BudgetDefined, status: BudgetStatus
) -> tuple[tuple[Subject, Wall], Stands]:
    """Return whom and when a status is about, and what it says."""
    counted = Decimal(status.tokens if budget.unit == "tokens" else status.calls)
    used = status.spent_usd if budget.unit == "usd" else counted
    limit = status.limit_usd or status.limit_tokens or status.limit_calls or 0
    start = status.period_start
    period = () if start is None else wall(budget, start)
    subject = Subject(status.subject_kind, status.subject_id)
    return (subject, period), Stands(used, Decimal(limit))


def _quarter_of(call: UsageRecorded) -> datetime:
    return _quarter(call.occurred_at)


def _quarter(at: datetime) -> datetime:
    return at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0)


def _subject(budget: BudgetDefined, call: UsageRecorded) -> Subject | None:
    """Return what a call is to a budget; None if that is not about it."""
    tags = {tag_dimension(name): value for name, value in call.tags.items()}
    names = {"user": call.user_id, "model": call.model, "project": call.project_id}
    has = names | tags | ({"session": call.session_id} if call.session_id else {})
    found: dict[str, str] = {}
    for dimension, wanted in budget.scope.named().items():
        name = has.get(dimension)
        if name is None or wanted not in ("*", name):
            return None
        if wanted == "*" and name in budget.scope.exceptions:
            return None
        found[dimension] = name
    return subject_of(found)
