"""Quiet hours: what is not urgent waits until they are over. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, model_validator

from taximeter.notify.alert import Severity
from taximeter.notify.matching import Section, at_least
from taximeter_schemas.budgets import TimeZone

__all__ = ["QuietHours"]

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_WEEK: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _written_time(written: object) -> object:
    if not isinstance(written, str):
        # YAML 1.1 reads 22:00 without quotes as the number 1320.
        raise ValueError('a time is written in quotes, as "22:00"')  # noqa: TRY004
    return written


Time = Annotated[time, BeforeValidator(_written_time)]


class QuietHours(Section):
    """A stretch of each day, in a time zone of its own.

    It is half-open: at `until` it is over. Where `until` is earlier than `from` it goes
    on into the next day; `days` are the days on which it begins.
    """

    from_: Annotated[Time, Field(alias="from")]
    until: Time
    zone: TimeZone
    days: tuple[Weekday, ...] = _WEEK
    let_through: Severity | None = "critical"

    @model_validator(mode="after")
    def _not_empty(self) -> QuietHours:
        if self.from_ == self.until:
            raise ValueError("from and until are the same")
        return self

    def over_at(self, now: datetime) -> datetime | None:
        """Return when the quiet that there is now will be over; None if there is none.

        >>> night = {"from": "22:00", "until": "07:00", "zone": "Europe/Berlin"}
        >>> quiet = QuietHours.model_validate(night)
        >>> quiet.over_at(datetime(2026, 1, 1, 23, tzinfo=UTC)).isoformat()
        '2026-01-02T06:00:00+00:00'
        >>> quiet.over_at(datetime(2026, 1, 1, 12, tzinfo=UTC))
        """
        today = now.astimezone(ZoneInfo(self.zone)).date()
        for day in (today, today - timedelta(days=1)):
            begins, ends = self._on(day)
            if _WEEK[day.weekday()] in self.days and begins <= now < ends:
                return ends
        return None

    def holds(self, severity: Severity, now: datetime) -> datetime | None:
        """Return until when an alert of a severity waits; None if it need not."""
        if self.let_through is not None and at_least(severity, self.let_through):
            return None
        return self.over_at(now)

    def _on(self, day: date) -> tuple[datetime, datetime]:
        last = day + timedelta(days=1) if self.until < self.from_ else day
        return self._moment(day, self.from_), self._moment(last, self.until)

    def _moment(self, day: date, at: time) -> datetime:
        return datetime.combine(day, at, ZoneInfo(self.zone)).astimezone(UTC)
