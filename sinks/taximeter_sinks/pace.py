"""When the sink flushes: pure, the time is its caller's."""

from __future__ import annotations

from typing import Final

__all__ = ["Pace"]

_REST: Final = 2.0


class Pace:
    """Weighs how soon rows can be read against what it costs to write them.

    The longer a commit takes, the more it should carry: as long as records come in,
    the next one waits for twice the time that the last one took. When none come there
    is nothing to wait for.

    >>> pace = Pace(flush_seconds=0.25, flush_bytes=1_000)
    >>> pace.begun(10.0)
    >>> pace.ended(10.0, 10.5)
    >>> [pace.is_due(now, 1, 1, quiet=False) for now in (10.6, 11.4, 11.5)]
    [False, False, True]
    >>> pace.is_due(10.6, 1, 1, quiet=True), pace.is_due(10.6, 1, 1_000, quiet=False)
    (True, True)

    Args:
        flush_seconds: what lies at least between the beginnings of two flushes.
        flush_bytes: how much may wait; then one is due at once.
    """

    def __init__(self, flush_seconds: float, flush_bytes: int) -> None:
        self._flush_seconds = flush_seconds
        self._flush_bytes = flush_bytes
        self._not_before = 0.0
        self._rest_until = 0.0

    def begun(self, now: float) -> None:
        """Take note that a flush begins."""
        self._not_before = now + self._flush_seconds

    def ended(self, began: float, now: float) -> None:
        """Take note that one has ended."""
        self._rest_until = now + _REST * (now - began)

    def is_due(self, now: float, records: int, size_bytes: int, *, quiet: bool) -> bool:
        """Tell whether a flush is to begin.

        Args:
            now: the time.
            records: how many wait.
            size_bytes: how large they are.
            quiet: whether none came when they were last asked for.
        """
        if size_bytes >= self._flush_bytes:
            return True
        rested = quiet or now >= self._rest_until
        return records > 0 and rested and now >= self._not_before
