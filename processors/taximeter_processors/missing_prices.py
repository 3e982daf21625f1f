"""Models without a price, told of once a day: pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from taximeter_processors.latches import Latches
from taximeter_processors.spend_history import SpendHistory
from taximeter_schemas.alerts import PriceMissing, missing_price_id
from taximeter_schemas.subjects import Subject

__all__ = ["PRICED_KIND", "MissingPrices"]

PRICED_KIND: Final = "model"
"""The kind of subject that has a price."""

_MOST_NAME: Final = 256
# What is sent of last year need not be told day by day.
_RECENT: Final = timedelta(days=2)
_DAY: Final = timedelta(days=1)


class MissingPrices:
    """Watches the unpriced calls of each model, by the UTC day of the call."""

    def __init__(self, latches: Latches, history: SpendHistory) -> None:
        self._latches = latches
        self._history = history
        self._unpriced: dict[tuple[Subject, date], None] = {}

    def moved(self, model: Subject, window: int) -> None:
        """Take note that a model has calls without a price in a window."""
        day = datetime.fromtimestamp(window, UTC).date()
        self._unpriced[model, day] = None

    @property
    def has_changed(self) -> bool:
        """Tell whether there may be something to say."""
        return bool(self._unpriced)

    def due(self, now: datetime) -> list[PriceMissing]:
        """Return what is to be raised; what was days ago is not."""
        unpriced, self._unpriced = self._unpriced, {}
        earliest = (now - _RECENT).date()
        found = (
            self._missing(subject, day, now)
            for subject, day in unpriced
            if day >= earliest and 0 < len(subject.id) <= _MOST_NAME
        )
        return [alert for alert in found if alert is not None]

    def _missing(
        self, subject: Subject, day: date, now: datetime
    ) -> PriceMissing | None:
        identity = missing_price_id(subject.id, day)
        if self._latches.is_set(identity):
            return None
        start = datetime.combine(day, time(), UTC)
        totals = self._history.totals(subject, start, start + _DAY)
        if totals.unpriced_calls <= 0 or not self._latches.set(identity):
            return None  # a re-pricing has found one meanwhile
        return PriceMissing(
            event_type="PriceMissing",
            alert_id=identity,
            raised_at=now,
            model=subject.id,
            day=day,
            unpriced_calls=totals.unpriced_calls,
        )
