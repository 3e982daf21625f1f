"""How old is what a guard knows?"""

from __future__ import annotations

import threading
from time import monotonic

__all__ = ["Freshness"]


class Freshness:
    """The last moment of which all is known, on the clock that never jumps.

    A feed says `known_as_of` once it holds all that there was at that moment; guards
    in other threads ask.
    """

    def __init__(self) -> None:
        self.trouble = ""
        self._as_of: float | None = None
        self._ever = threading.Event()

    def known_as_of(self, moment: float) -> None:
        """Take note that all which there was at a moment is known."""
        self._as_of = moment
        self.trouble = ""
        self._ever.set()

    @property
    def ever(self) -> bool:
        """Whether there was such a moment."""
        return self._as_of is not None

    def wait(self, timeout: float | None) -> bool:
        """Wait until there was one; False if time ran out."""
        return self._ever.wait(timeout)

    def age_seconds(self) -> float | None:
        """Return how long ago it was; None if it never was."""
        return None if self._as_of is None else monotonic() - self._as_of

    def stale(self, after_seconds: float) -> str | None:
        """Return why nobody knows; None if the knowledge is young enough."""
        age = self.age_seconds()
        if age is not None and age <= after_seconds:
            return None
        because = f" ({self.trouble})" if self.trouble else ""
        if age is None:
            return f"nothing has been heard of the budgets yet{because}"
        return f"nothing has been heard of the budgets for {age:.0f} s{because}"
