"""What every emitter owes its callers, and one that only remembers, for tests.

An emitter stands beside somebody's LLM call, so it obeys one rule before all others:
it never hurts that call. `emit` neither waits nor raises. It says whether it took the
event; what it took reaches Kafka, and what it did not take is counted and logged.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, Protocol

from taximeter_schemas.records import MAX_EVENT_BYTES, encode_event
from taximeter_schemas.usage import (
    EmittedEvent,
    UsageCorrected,
    UsageNotUnderstood,
    UsageRecorded,
)

__all__ = [
    "Emitter",
    "EmitterStats",
    "MemoryEmitter",
    "Rarely",
    "RefusalReason",
    "Refusals",
    "TakesEvents",
    "unfit",
]

log = logging.getLogger(__name__)

RefusalReason = Literal[
    "buffer_full", "spool_full", "spool_failed", "too_large", "closed", "invalid"
]
"""Why an emitter did not take an event."""

_LOG_EVERY_SECONDS: Final = 60.0

# With all other fields at their bounds (six bytes a character, which is JSON's
# longest escape), an event with this many tags stays below MAX_EVENT_BYTES: only
# events with more need measuring before they are accepted.
_TAGS_THAT_ALWAYS_FIT: Final = 8


@dataclass(frozen=True)
class EmitterStats:
    """How an emitter stands at one moment; figures are events where they do not say.

    `lost` were accepted and could not be sent after all (the reason was logged);
    it is 0 unless a broker refuses records of a size that it should take, or the
    process ended while Kafka was away and had no spool to leave them in, or a
    spool's file was damaged. `recovered` of those accepted were found in the spool,
    left behind by processes that had ended. `spooled` are in the spool now, and take
    `spool_bytes` of its limit.
    """

    accepted: int = 0
    delivered: int = 0
    lost: int = 0
    recovered: int = 0
    spooled: int = 0
    spool_bytes: int = 0
    refused: Mapping[RefusalReason, int] = field(
        default_factory=lambda: MappingProxyType({})
    )

    @property
    def pending(self) -> int:
        """Events accepted whose fate is still open."""
        return self.accepted - self.delivered - self.lost


class TakesEvents(Protocol):
    """The part of an emitter that whoever makes events needs."""

    def emit(self, event: EmittedEvent) -> bool:
        """Take an event without waiting; False means refused, counted and logged."""
        ...


class Emitter(TakesEvents, Protocol):
    """Takes usage events off the hands of a program that makes LLM calls.

    Called from any thread, with or without an event loop, in the middle of
    somebody's request. No method raises for what happens to an event.
    """

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until all that was accepted so far is safe; False if time ran out."""
        ...

    def close(self, timeout: float | None = 10.0) -> bool:
        """Flush, then accept no more; False if something could not be saved."""
        ...

    def stats(self) -> EmitterStats:
        """Return how many events went which way."""
        ...


class Rarely:
    """Lets a log line through at most once in a while, so that a fault stays one."""

    def __init__(self, every_seconds: float = _LOG_EVERY_SECONDS) -> None:
        self._every_seconds = every_seconds
        self._next = float("-inf")

    def now(self) -> bool:
        """Tell whether the line may be written this time."""
        moment = time.monotonic()
        if moment < self._next:
            return False
        self._next = moment + self._every_seconds
        return True


class Refusals:
    """Counts refused events by reason, and says so in the log now and then."""

    def __init__(self) -> None:
        # Reentrant: a signal handler may emit while this thread holds it.
        self._lock = threading.RLock()
        self._counts: Counter[RefusalReason] = Counter()
        self._rarely = Rarely()

    def add(self, reason: RefusalReason, events: int = 1) -> None:
        """Count events that were refused for this reason."""
        with self._lock:
            self._counts[reason] += events
            speak = self._rarely.now()
        if speak:
            log.warning("usage events refused so far: %s", dict(self._counts))

    def counts(self) -> Mapping[RefusalReason, int]:
        """Return how many events were refused for which reason."""
        with self._lock:
            return MappingProxyType(dict(self._counts))


def unfit(event: object) -> RefusalReason | None:
    """Return why no emitter may accept this object, or None if one may.

    Cheap for ordinary events: their size is bounded by their fields, so only one
    with many tags, or with a usage that nobody understood, is encoded to be measured.
    """
    if not isinstance(event, UsageRecorded | UsageCorrected | UsageNotUnderstood):
        return "invalid"
    bounded = not isinstance(event, UsageNotUnderstood)
    if bounded and len(event.tags) <= _TAGS_THAT_ALWAYS_FIT:
        return None
    return "too_large" if len(encode_event(event)) > MAX_EVENT_BYTES else None


class MemoryEmitter:
    """Keeps what it is given in `sent`, for the tests of programs that emit.

    >>> emitter = MemoryEmitter()
    >>> emitter.emit("no event")
    False
    >>> emitter.stats().refused["invalid"], emitter.sent
    (1, [])
    """

    def __init__(self, max_events: int | None = None) -> None:
        self.sent: list[EmittedEvent] = []
        self.closed = False
        self._max_events = max_events
        self._refusals = Refusals()

    def emit(self, event: EmittedEvent) -> bool:
        """Keep the event, or refuse it for the reasons a real emitter has."""
        reason = self._refusal(event)
        if reason is not None:
            self._refusals.add(reason)
            return False
        self.sent.append(event)
        return True

    def flush(self, timeout: float | None = None) -> bool:
        """Do nothing: what is in memory is as safe as it gets."""
        return True

    def close(self, timeout: float | None = 10.0) -> bool:
        """Refuse every later event; what was sent stays readable."""
        self.closed = True
        return True

    def stats(self) -> EmitterStats:
        """Return how many events were kept and refused."""
        kept = len(self.sent)
        return EmitterStats(
            accepted=kept, delivered=kept, refused=self._refusals.counts()
        )

    def _refusal(self, event: object) -> RefusalReason | None:
        if self.closed:
            return "closed"
        if self._max_events is not None and len(self.sent) >= self._max_events:
            return "buffer_full"
        return unfit(event)
