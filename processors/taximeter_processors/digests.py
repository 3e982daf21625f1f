"""What a day or a week came to, told once when it is over: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from taximeter_processors.latches import Latches
from taximeter_processors.spend_history import SpendHistory, Totals
from taximeter_processors.windows import period_bounds, window_start
from taximeter_schemas.alerts import DigestDue, digest_id
from taximeter_schemas.money import usd_from_pico
from taximeter_schemas.subjects import EVERYTHING

__all__ = ["DigestPeriod", "DigestRules", "Digests"]

DigestPeriod = Literal["day", "week"]

# Whoever was away reads what it missed before it adds up.
_READING: Final = timedelta(minutes=10)
_LATE: Final = timedelta(minutes=15)


@dataclass(frozen=True)
class DigestRules:
    """Which digests there are, and whose days and weeks they are about.

    `reading` is how long nothing more may come before a period is added up of which
    nothing later is known; nothing, where all there is has been read.
    """

    periods: Sequence[DigestPeriod] = ()
    time_zone: str = "UTC"
    reading: timedelta = _READING


class Digests:
    """Adds up what everybody spent in the latest period that is over.

    Raised a quarter of an hour after its end, once spend of after it is known, or
    nothing more came for ten minutes; of a period without a call not at all.
    """

    def __init__(
        self, latches: Latches, history: SpendHistory, rules: DigestRules
    ) -> None:
        self._latches = latches
        self._history = history
        self._rules = rules
        self._due: list[DigestDue] = []
        self._latest = 0
        self._moved_at: datetime | None = None

    def moved(self, window: int) -> None:
        """Take note of spend in a window."""
        self._latest = max(self._latest, window)
        self._moved_at = None

    @property
    def has_changed(self) -> bool:
        """Tell whether there is something to say."""
        return bool(self._due)

    def tick(self, now: datetime) -> None:
        """See whether a period is over."""
        self._moved_at = self._moved_at or now
        for period in self._rules.periods:
            window = window_start(now - _LATE)
            start = period_bounds(period, self._rules.time_zone, window).start
            assert start is not None
            waited = now - self._moved_at >= self._rules.reading
            if self._latest >= start.timestamp() or waited:
                self._add_up(period, start, now)

    def due(self) -> list[DigestDue]:
        """Return what is to be raised."""
        due, self._due = self._due, []
        return due

    def _add_up(self, period: DigestPeriod, end: datetime, now: datetime) -> None:
        before = window_start(end) - 1
        start = period_bounds(period, self._rules.time_zone, before).start
        assert start is not None
        identity = digest_id(period, start)
        if self._latches.is_set(identity):
            return
        totals = self._history.totals(EVERYTHING, start, end)
        if totals.calls > 0 and self._latches.set(identity):
            self._due.append(self._digest(period, start, end, totals, now))

    def _digest(
        self,
        period: DigestPeriod,
        start: datetime,
        end: datetime,
        totals: Totals,
        now: datetime,
    ) -> DigestDue:
        return DigestDue(
            event_type="DigestDue",
            alert_id=digest_id(period, start),
            raised_at=now,
            period=period,
            time_zone=self._rules.time_zone,
            period_start=start,
            period_end=end,
            spent_usd=usd_from_pico(totals.cost_pico),
            calls=totals.calls,
            unpriced_calls=max(0, totals.unpriced_calls),
        )
