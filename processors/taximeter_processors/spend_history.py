"""The hourly history of subjects, from the merged partial sums: pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

from taximeter_processors.forecast import HISTORY, HOUR_SECONDS, Hourly
from taximeter_processors.merge import SpendMerge
from taximeter_schemas.budgets import Unit
from taximeter_schemas.spend import WINDOW_SECONDS, Partial
from taximeter_schemas.subjects import Subject

__all__ = ["SpendHistory", "Totals"]

_MOST_KEPT: Final = 200
_DAY_SECONDS: Final = 86_400

_AMOUNT: Final[dict[Unit, Callable[[Partial], int]]] = {
    "usd": lambda partial: int(partial.cost_pico),
    "tokens": lambda partial: partial.tokens,
    "calls": lambda partial: partial.calls,
}


class Totals:
    """What partial sums come to."""

    def __init__(self) -> None:
        self.cost_pico = self.calls = self.unpriced_calls = 0

    def add(self, partials: Iterable[Partial]) -> None:
        """Add partial sums."""
        for partial in partials:
            self.cost_pico += int(partial.cost_pico)
            self.calls += partial.calls
            self.unpriced_calls += partial.unpriced_calls


class SpendHistory:
    """Reads what subjects spent; of some it remembers the hours of a day.

    Reading eight weeks takes some milliseconds, tens of them from disk: whoever asks
    for many subjects does so in turns.
    """

    def __init__(self, merge: SpendMerge) -> None:
        self._merge = merge
        self._kept: OrderedDict[tuple[Subject, Unit, int], Hourly] = OrderedDict()

    def hourly(self, subject: Subject, now: datetime, unit: Unit = "usd") -> Hourly:
        """Return the last eight weeks up to the UTC day's start, and today's hours.

        What arrives late for a past day is in it from the next day on.
        """
        moment = int(now.timestamp())
        midnight = moment // _DAY_SECONDS * _DAY_SECONDS
        key = subject, unit, midnight
        past = self._kept.pop(key, None)
        if past is None:
            first = midnight - int(HISTORY.total_seconds())
            past = self._read(subject, unit, first, midnight)
        self._kept[key] = past
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return {**past, **self._read(subject, unit, midnight, moment)}

    def hour(self, subject: Subject, hour: int) -> int:
        """Return what an hour cost, in pico-dollars."""
        return self._hour(subject, "usd", hour)

    def totals(self, subject: Subject, start: datetime, end: datetime) -> Totals:
        """Return the sums of `[start, end)`, whose bounds are a window's."""
        totals = Totals()
        windows = range(int(start.timestamp()), int(end.timestamp()), WINDOW_SECONDS)
        for window in windows:
            totals.add(self._partials(subject, window))
        return totals

    def _read(self, subject: Subject, unit: Unit, start: int, end: int) -> Hourly:
        hours = range(start, end, HOUR_SECONDS)
        read = ((hour, self._hour(subject, unit, hour)) for hour in hours)
        return {hour: amount for hour, amount in read if amount}

    def _hour(self, subject: Subject, unit: Unit, hour: int) -> int:
        amount = _AMOUNT[unit]
        return sum(
            amount(partial)
            for window in range(hour, hour + HOUR_SECONDS, WINDOW_SECONDS)
            for partial in self._partials(subject, window)
        )

    def _partials(self, subject: Subject, window: int) -> Iterable[Partial]:
        return self._merge.sources((subject.kind, subject.id, window)).values()
