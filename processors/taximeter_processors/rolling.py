"""A budget over the last hour, day or month: sums that windows come into and leave.

Pure. A rolling period has a sum at every moment. A threshold is raised where a call was
made while the sum was at it, once for each stretch of the calendar as long as the
period (a rolling day speaks up once a day at most): so which alerts are due depends on
what was spent and when, and not on the order in which that becomes known.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from taximeter_processors.accounts import (
    Account,
    Crossing,
    Sums,
    crossed,
    status_record,
    unchanging,
)
from taximeter_processors.windows import Bounds, rolling_windows
from taximeter_schemas.budgets import WINDOW_SECONDS, BudgetDefined
from taximeter_schemas.spend import Partial
from taximeter_schemas.subjects import Subject

__all__ = ["RollingAccount", "account_of"]


class RollingAccount(Account):
    """One subject in a rolling budget, as far as one stretch of the calendar goes."""

    __slots__ = ("_length", "_spent", "_touched_from")

    def __init__(self, budget: BudgetDefined, subject: Subject, bounds: Bounds) -> None:
        super().__init__(budget, subject, bounds, key="rolling")
        self._length = rolling_windows(budget.period) * WINDOW_SECONDS
        self._spent: dict[int, Sums] = {}
        self._touched_from: int | None = None

    @property
    def rolls(self) -> bool:
        """Tell whether it stands otherwise as time goes by."""
        return bool(self._spent)

    @property
    def counts_from(self) -> tuple[int, int]:
        """The first window that counts here, and the one that does not any more."""
        start, end = super().counts_from
        return start - self._length + WINDOW_SECONDS, end

    def move(self, window: int, old: Partial | None, new: Partial) -> None:
        """Let one partial of a window take the place of another in the sums."""
        self._spent.setdefault(window, Sums()).move(old, new)
        self._touched_from = min(window, self._touched_from or window)

    def crossings(self) -> Iterator[Crossing]:
        """Yield the thresholds that are reached and not known to be raised."""
        since, self._touched_from = self._touched_from, None
        if since is None or not self._existed():
            return
        for window, sums in self._standings(since):
            used = sums.of(self.budget.unit)
            for percent in crossed(self.budget, self.raised, used, self.limit):
                self.raised += 1
                yield Crossing(percent, self.bounds.start, self._until(window), sums)

    def status(self, present: int) -> tuple[bytes, bytes] | None:
        """Return the status as of now; None unless this is the stretch of now."""
        start, end = super().counts_from
        if not start <= present < end:
            return None
        facts = unchanging(self.budget, self.subject, self._until(present))
        sums = self._sum_at(present)
        return status_record(self.key, facts, self, sums, self.reserved)

    def used_at(self, present: int) -> int:
        """Return what was spent in so much time up to the window of now."""
        return self._sum_at(present).of(self.budget.unit)

    def _standings(self, since: int) -> Iterator[tuple[int, Sums]]:
        """Yield the sum at each window with spend that one since then counts in."""
        spent = sorted(self._spent)
        first, end = super().counts_from
        for window in spent[bisect_left(spent, max(since, first)) :]:
            if window < end:
                yield window, self._sum(w for w in spent if self._is_among(w, window))

    def _sum_at(self, present: int) -> Sums:
        return self._sum(w for w in self._spent if self._is_among(w, present))

    def _sum(self, windows: Iterable[int]) -> Sums:
        total = Sums()
        for window in windows:
            total.add(self._spent[window])
        return total

    def _is_among(self, window: int, last: int) -> bool:
        return last - self._length < window <= last

    def _until(self, window: int) -> Bounds:
        end = window + WINDOW_SECONDS
        return Bounds(_moment(end - self._length), _moment(end))


def account_of(budget: BudgetDefined, subject: Subject, bounds: Bounds) -> Account:
    """Return a new account of the sort that a budget's period asks for."""
    if rolling_windows(budget.period):
        return RollingAccount(budget, subject, bounds)
    return Account(budget, subject, bounds)


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
