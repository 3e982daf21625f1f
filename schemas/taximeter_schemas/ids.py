"""Event ids: time-ordered where nothing better is known, derived where it is."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from hashlib import sha1
from uuid import UUID, uuid5

__all__ = [
    "NAMESPACE",
    "derived_id",
    "repriced_event_id",
    "response_event_id",
    "time_ordered_id",
]

# The root of every id that Taximeter derives from other facts. It never changes:
# it is part of every id made so far.
NAMESPACE = UUID("7f6c1a52-3c0e-5e0b-9a55-74c1d6f6a8f1")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

_VERSION_7 = 0x7 << 76
_VARIANT = 0x2 << 62
# What the 17th digit of a hash becomes, whose first two bits are the variant.
_VARIANTS = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


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


def repriced_event_id(event_id: str, statements: int) -> str:
    """Return, as text, the id of the re-pricing that follows so many statements.

    `statements` counts the call's charge and the adjustments that stand in the ledger.
    Two re-pricings that know of the same statements are one, whichever prices they
    mean: the first counts, and the second has to look again. The same as `derived_id`,
    in a quarter of the time, since a million of them are made at once.

    >>> call = "0199f3c2-7a11-7c3e-9d2a-5b8f0a1c2d3e"
    >>> repriced_event_id(call, 1) == str(derived_id("repriced", call, "1"))
    True
    """
    name = _REPRICED.copy()
    name.update(f"{event_id}\x1f{statements}".encode())
    h = name.hexdigest()
    variant = _VARIANTS[h[16]]
    return f"{h[:8]}-{h[8:12]}-5{h[13:16]}-{variant}{h[17:20]}-{h[20:32]}"


_REPRICED = sha1(NAMESPACE.bytes + b"repriced\x1f", usedforsecurity=False)
