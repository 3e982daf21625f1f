"""The one place where the wall clock is read; everything else is given the time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

__all__ = ["Clock", "ManualClock", "SystemClock"]


class Clock(Protocol):
    """Tells what time it is, as an aware UTC datetime."""

    def now(self) -> datetime:
        """Return the present moment in UTC."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the present moment in UTC."""
        return datetime.now(UTC)  # noqa: TID251 - this is the one place


@dataclass
class ManualClock:
    """A clock that a test moves by hand.

    >>> clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    >>> clock.move(timedelta(hours=1))
    >>> clock.now().isoformat()
    '2026-01-01T01:00:00+00:00'
    """

    moment: datetime = field(default_factory=lambda: datetime(2026, 1, 1, tzinfo=UTC))

    def now(self) -> datetime:
        """Return the moment that the clock was last moved to."""
        return self.moment

    def move(self, by: timedelta) -> None:
        """Move the clock; a negative step moves it back."""
        self.moment += by
