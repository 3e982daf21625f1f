"""How often a token may ask: counted by this process, and by the wall clock."""

from __future__ import annotations

from functools import lru_cache
from math import ceil
from typing import Final

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from taximeter.api_tokens import ApiToken
from taximeter_schemas.clock import Clock, SystemClock

__all__ = ["Rates"]

# The limiter's own time is the wall clock's, whatever clock an API is given.
_clock: Final[Clock] = SystemClock()
_parsed: Final = lru_cache(parse)


class Rates:
    """Counts the requests of each token."""

    def __init__(self) -> None:
        self._counting = FixedWindowRateLimiter(MemoryStorage())

    def wait_seconds(self, token: ApiToken) -> int:
        """Count a request; return 0, or in how many seconds the next one may come."""
        rate: RateLimitItem = _parsed(token.rate)
        if self._counting.hit(rate, token.id):
            return 0
        until = self._counting.get_window_stats(rate, token.id).reset_time
        return max(1, ceil(until - _clock.now().timestamp()))
