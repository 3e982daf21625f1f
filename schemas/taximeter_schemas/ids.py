"""Event ids: time-ordered where nothing better is known, derived where it is."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

__all__ = ["NAMESPACE", "derived_id", "response_event_id", "time_ordered_id"]

# The root of every id that Taximeter derives from other facts. It never changes:
# it is part of every id made so far.
NAMESPACE = UUID("7f6c1a52-3c0e-5e0b-9a55-74c1d6f6a8f1")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

_VERSION_7 = 0x7 << 76
_VARIANT = 0x2 << 62


def time_ordered_id(now: datetime) -> UUID:
    """Return a new UUIDv7 (RFC 9562, section 5.7) for the given moment."""
    milliseconds = (now - _EPOCH) // _MILLISECOND & 0xFFFF_FFFF_FFFF
    noise = int.from_bytes(os.urandom(10), "big")
    high = noise >> 62 & 0xFFF
    low = noise & 0x3FFF_FFFF_FFFF_FFFF
    return UUID(int=milliseconds << 80 | _VERSION_7 | high << 64 | _VARIANT | low)


def derived_id(*facts: str) -> UUID:
    """Return the UUIDv5 that stands for these facts, the same one every time.

    >>> derived_id("a", "b") == derived_id("a", "b") != derived_id("ab")
    True
    """
    return uuid5(NAMESPACE, "\x1f".join(facts))


def response_event_id(provider: str, response_id: str, attempt: int = 0) -> UUID:
    """Return the event id of one billed attempt that the provider named itself.

    The same call reported through two integrations gets the same id, so it counts
    once. `attempt` tells retries apart where a provider reuses its response id.
    """
    return derived_id("response", provider, response_id, str(attempt))
