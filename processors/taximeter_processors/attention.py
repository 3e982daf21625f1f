"""What wants a person's attention besides a budget's thresholds: pure.

The watcher of a `spend` partition tells this of every partial that moved, and of the
time (`tick`); it answers with alerts, each once, ever: a latch is written with each,
in the watcher's own transaction. What is only known in memory is found again by
whoever takes the partition over: it goes through the latest windows once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from taximeter_processors.accounts import Account
from taximeter_processors.anomalies import AnomalyRules
from taximeter_processors.anomaly_watch import AnomalyWatch
from taximeter_processors.digests import DigestRules, Digests
from taximeter_processors.forecast_watch import ForecastWatch
from taximeter_processors.latches import Latches
from taximeter_processors.merge import SpendMerge
from taximeter_processors.missing_prices import PRICED_KIND, MissingPrices
from taximeter_processors.recoveries import Recoveries
from taximeter_processors.rows import Rows
from taximeter_processors.spend_history import SpendHistory
from taximeter_processors.windows import window_start
from taximeter_schemas.alerts import Alert
from taximeter_schemas.spend import Partial, PartialRow
from taximeter_schemas.subjects import EVERYTHING, Subject

__all__ = ["Attention", "AttentionRules"]

_LATEST: Final = timedelta(hours=3)


@dataclass(frozen=True)
class AttentionRules:
    """What is told of; `link` is a page, `{budget}` in it a budget's id."""

    anomalies: AnomalyRules = field(default_factory=AnomalyRules)
    digests: DigestRules = field(default_factory=DigestRules)
    link: str | None = None


class Attention:
    """Alerts of one `spend` partition, besides those of thresholds.

    Args:
        stored: the partition's rows as they were last flushed.
        merge: the partial sums of its subjects.
        rules: what is told of.
    """

    def __init__(self, stored: Rows, merge: SpendMerge, rules: AttentionRules) -> None:
        self.latches = Latches(stored)
        self._merge = merge
        history = SpendHistory(merge)
        self._anomalies = AnomalyWatch(stored, self.latches, history, rules.anomalies)
        self._forecasts = ForecastWatch(self.latches, history)
        self._recoveries = Recoveries(self.latches)
        self._prices = MissingPrices(self.latches, history)
        self._digests = Digests(self.latches, history, rules.digests)
        self._compared = frozenset(rules.anomalies.kinds)
        self._ticked = 0
        self._looks_ahead = False

    def moved(
        self, row: PartialRow, old: Partial | None, accounts: Iterable[Account]
    ) -> None:
        """Take note that a row's partial took the place of an old one.

        Called for every partial: whatever it does costs everybody's throughput.
        """
        kind, id_, window, new = row
        more = int(new.cost_pico) - (int(old.cost_pico) if old else 0)
        if old and (more < 0 or new.tokens < old.tokens or new.calls < old.calls):
            self._recoveries.fell(accounts)
        if kind in self._compared:
            self._anomalies.moved(Subject(kind, id_), window, more)
        if kind == PRICED_KIND and new.unpriced_calls > 0:
            self._prices.moved(Subject(kind, id_), window)
        if kind == EVERYTHING.kind:
            self._digests.moved(window)

    @property
    def has_changed(self) -> bool:
        """Tell whether a flush would have something to say of it."""
        return (
            self._anomalies.has_changed
            or self._forecasts.has_changed
            or self._prices.has_changed
            or self._digests.has_changed
        )

    def budgets_changed(self) -> None:
        """Take note that there are other budgets: they are looked at soon."""
        self._looks_ahead = True

    def tick(self, now: datetime, accounts: Iterable[Account]) -> None:
        """Take note of the time; most of what is done is done once in 15 minutes."""
        quarter = window_start(now)
        if quarter != self._ticked:
            if not self._ticked:
                self._look_back(now)
            self._ticked = quarter
            self._looks_ahead = True
            self._anomalies.hour_passed(now)
        if self._looks_ahead:
            self._looks_ahead = False
            self._forecasts.choose(accounts, now)
        self._digests.tick(now)
        self._anomalies.tick(now)
        self._forecasts.tick(now)

    def due(self, now: datetime) -> list[Alert]:
        """Return what is to be raised; their latches are written with them."""
        return [
            *self._anomalies.due(now),
            *self._forecasts.due(),
            *self._recoveries.due(now),
            *self._prices.due(now),
            *self._digests.due(),
        ]

    def rows(self) -> list[tuple[bytes, bytes]]:
        """Return the rows that changed with what `due` said."""
        return self._anomalies.rows()

    def _look_back(self, now: datetime) -> None:
        """Find what a crash left unsaid."""
        earliest = (now - _LATEST).timestamp()
        for kind, id_, window in self._merge.windows():
            if window >= earliest:
                self._anomalies.seen(Subject(kind, id_), window)
