"""Anomalies as they arise, and when they are over; each told of once. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final
from uuid import UUID

from msgspec import json

from taximeter_processors.anomalies import AnomalyRules, Usual, usual_at
from taximeter_processors.forecast import HOUR_SECONDS
from taximeter_processors.latches import Latches
from taximeter_processors.rows import Rows
from taximeter_processors.spend_history import SpendHistory
from taximeter_schemas.alerts import (
    Alert,
    SpendAnomalyDetected,
    SpendRecovered,
    anomaly_id,
    recovery_id,
)
from taximeter_schemas.money import usd_from_pico
from taximeter_schemas.subjects import Subject

__all__ = ["AnomalyWatch"]

_OPEN_KEY: Final = b"open-anomalies"
_LATE: Final = timedelta(minutes=10)
# Whoever sends last year's usage today need not hear of what was odd in it.
_RECENT: Final = timedelta(days=2)
_RECENT_SECONDS: Final = _RECENT.total_seconds()
_LEARNED_A_TURN: Final = 4
_MOST_HOURS: Final = 50_000

_Hour = tuple[Subject, int]
_Open = dict[str, tuple[str, str, int, UUID]]

_open: Final = json.Decoder(_Open)
_row: Final = json.Encoder().encode


class AnomalyWatch:
    """Compares hours with what is usual, once they have cost the minimum.

    What is usual is looked up in turns, since it takes milliseconds for each subject:
    by `tick`, not on the way of a partial sum.
    """

    def __init__(
        self, stored: Rows, latches: Latches, history: SpendHistory, rules: AnomalyRules
    ) -> None:
        self._latches = latches
        self._history = history
        self._rules = rules
        self._least = rules.minimum_pico
        self._hours: dict[_Hour, int] = {}
        self._usual: dict[_Hour, Usual | None] = {}
        self._to_learn: dict[_Hour, None] = {}
        self._over: dict[_Hour, None] = {}
        self._latest = 0
        self._recovered: list[Alert] = []
        written = stored.get(_OPEN_KEY)
        self._open: _Open = _open.decode(written) if written else {}
        self._open_changed = False

    def moved(self, subject: Subject, window: int, more_pico: int) -> None:
        """Take note that a window of a subject that is compared cost more, or less."""
        if window > self._latest:
            self._latest = window
        elif window < self._latest - _RECENT_SECONDS:
            return
        key = subject, window - window % HOUR_SECONDS
        cost = self._hours.get(key)
        # What is read of the hour has the difference in it already.
        cost = self._history.hour(*key) if cost is None else cost + more_pico
        self._hours[key] = cost
        if cost >= self._least:
            self._look_at(key, cost)

    @property
    def has_changed(self) -> bool:
        """Tell whether there may be something to say."""
        return bool(self._over or self._recovered or self._open_changed)

    def seen(self, subject: Subject, window: int) -> None:
        """Take note of a window that was there before anybody watched."""
        key = subject, window - window % HOUR_SECONDS
        if subject.kind in self._rules.kinds and key not in self._hours:
            self._hours[key] = self._history.hour(*key)
            self._look_at(key, self._hours[key])

    def tick(self, now: datetime) -> None:
        """Learn what is usual in some hours that cost the minimum by now."""
        for key in list(islice(self._to_learn, _LEARNED_A_TURN)):
            del self._to_learn[key]
            self._usual[key] = self._learned(*key, now)
            self._look_at(key, self._hours.get(key, 0))

    def hour_passed(self, now: datetime) -> None:
        """See which anomalies are over; called when a quarter of an hour is."""
        full = int((now - _LATE).timestamp()) // HOUR_SECONDS * HOUR_SECONDS
        hour = full - HOUR_SECONDS
        for name, (kind, id_, since, alert) in list(self._open.items()):
            if hour > since:
                self._maybe_over(name, Subject(kind, id_), hour, alert, now)
        self._forget(full)

    def due(self, now: datetime) -> list[Alert]:
        """Return what is to be raised."""
        over, self._over = self._over, {}
        recovered, self._recovered = self._recovered, []
        earliest = (now - _RECENT).timestamp()
        found = [self._detected(key, now) for key in over if key[1] >= earliest]
        return [alert for alert in found if alert is not None] + recovered

    def rows(self) -> list[tuple[bytes, bytes]]:
        """Return the rows that changed with what `due` said."""
        if not self._open_changed:
            return []
        self._open_changed = False
        return [(_OPEN_KEY, _row(self._open))]

    def _look_at(self, key: _Hour, cost: int) -> None:
        if cost < self._least:
            return
        if key not in self._usual:
            self._to_learn[key] = None
            return
        usual = self._usual[key]
        if usual is not None and cost > usual.most:
            self._over[key] = None

    def _learned(self, subject: Subject, hour: int, now: datetime) -> Usual | None:
        return usual_at(self._history.hourly(subject, now), hour, self._rules)

    def _detected(self, key: _Hour, now: datetime) -> Alert | None:
        (subject, hour), usual = key, self._usual.get(key)
        start, cost = datetime.fromtimestamp(hour, UTC), self._hours.get(key, 0)
        identity = anomaly_id(subject, start)
        if usual is None or cost <= usual.most or not self._latches.set(identity):
            return None
        self._opened(subject, hour, identity)
        return SpendAnomalyDetected(
            event_type="SpendAnomalyDetected",
            alert_id=identity,
            raised_at=now,
            subject_kind=subject.kind,
            subject_id=subject.id,
            hour_start=start,
            spent_usd=usd_from_pico(cost),
            usual_usd=usd_from_pico(usual.median),
            threshold_usd=usd_from_pico(usual.most),
        )

    def _opened(self, subject: Subject, hour: int, identity: UUID) -> None:
        name = f"{subject.kind}:{subject.id}"
        before = self._open.get(name)
        if before is None or before[2] < hour:
            self._open[name] = (subject.kind, subject.id, hour, identity)
            self._open_changed = True

    def _maybe_over(
        self, name: str, subject: Subject, hour: int, alert: UUID, now: datetime
    ) -> None:
        cost = self._history.hour(subject, hour)
        usual = None
        if cost >= self._least:
            usual = self._learned(subject, hour, now)
        if usual is not None and cost > usual.most:
            return
        del self._open[name]
        self._open_changed = True
        if self._latches.set(recovery_id(alert)):
            self._recovered.append(_recovered(subject, hour, alert, cost, now))

    def _forget(self, full: int) -> None:
        if len(self._hours) > _MOST_HOURS:
            ours = {key for key in self._hours if key[1] >= full}
            self._hours = {key: self._hours[key] for key in ours}
            self._usual = {k: usual for k, usual in self._usual.items() if k in ours}


def _recovered(
    subject: Subject, hour: int, alert: UUID, cost: int, now: datetime
) -> SpendRecovered:
    return SpendRecovered(
        event_type="SpendRecovered",
        alert_id=recovery_id(alert),
        raised_at=now,
        recovers=alert,
        reason="back_to_usual",
        subject_kind=subject.kind,
        subject_id=subject.id,
        hour_start=datetime.fromtimestamp(hour, UTC),
        spent_usd=usd_from_pico(cost),
    )
