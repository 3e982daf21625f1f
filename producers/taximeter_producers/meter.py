"""The meter of a process: where wrapped clients and callbacks put their events.

    taximeter.start()
    client = taximeter.wrap(OpenAI())

It stands beside somebody's LLM call. Nothing in here raises into that call: what goes
wrong is counted, logged now and then, and the call goes on.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from typing import Final, Protocol

from taximeter_producers import inheriting
from taximeter_producers.emitter import (
    Emitter,
    EmitterStats,
    MemoryEmitter,
    Rarely,
)
from taximeter_producers.meter_settings import MeterSettings
from taximeter_schemas.errors import ConfigurationError
from taximeter_schemas.topics import Topics
from taximeter_schemas.usage import EmittedEvent

__all__ = ["Meter", "Redact", "current_meter", "flush", "start", "stop"]

log = logging.getLogger(__name__)

Redact = Callable[[EmittedEvent], EmittedEvent | None]
"""Sees each event before it is sent; returns what to send, or None for nothing."""


class _Waits(Protocol):
    """Work that makes events later, such as counting tokens."""

    def drain(self, timeout: float | None) -> bool: ...


class Meter:
    """Takes events for an emitter, after `redact` has seen them.

    It is an emitter itself, so it can stand wherever one is asked for:
    `LiteLLMCallback(taximeter.start())`.

    Args:
        emitter: takes the events; closed with the meter.
        source: the program's name in events that wrapped clients make.
        redact: called with each event in the thread of the call. What it returns is
            sent instead; None sends nothing. If it raises, nothing is sent either.
    """

    def __init__(
        self, emitter: Emitter, source: str = "unknown", redact: Redact | None = None
    ) -> None:
        self.emitter = emitter
        self.source = source
        self.failures = 0
        # What is on disk before the call goes on, or is redacted in its thread, is made
        # at once; so is what is only remembered.
        kept = getattr(emitter, "__dict__", {}).get("durability")
        self.can_wait = kept == "memory" and redact is None
        self._redact = redact
        self._rarely = Rarely()
        self._waits: list[_Waits] = []

    def emit(self, event: EmittedEvent) -> bool:
        """Take an event; False means that it was refused, dropped or not redacted."""
        if self._redact is None:
            return self.emitter.emit(event)
        try:
            left = self._redact(event)
        except Exception:
            self.failed("an event was not sent, since it could not be redacted")
            return False
        return left is not None and self.emitter.emit(left)

    def failed(self, words: str) -> None:
        """Count something that went wrong here, and log it now and then."""
        self.failures += 1
        if self._rarely.now():
            log.exception("%s (%d times so far)", words, self.failures)

    def wait_for(self, work: _Waits) -> None:
        """Let `flush` and `close` wait for what will still make events."""
        if work not in self._waits:
            self._waits.append(work)

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until all that was accepted so far is safe; False if time ran out."""
        ready = [work.drain(timeout) for work in self._waits]
        return self.emitter.flush(timeout) and all(ready)

    def close(self, timeout: float | None = 10.0) -> bool:
        """Flush, then accept no more; False if something could not be saved."""
        ready = [work.drain(timeout) for work in self._waits]
        return self.emitter.close(timeout) and all(ready)

    def stats(self) -> EmitterStats:
        """Return how many events went which way."""
        return self.emitter.stats()


class _Process:
    """The meter of this process, if it was started."""

    def __init__(self) -> None:
        self.meter: Meter | None = None
        self.unlock()

    def unlock(self) -> None:
        """Have a lock that nobody holds; what a forked child needs."""
        self.lock = threading.RLock()


_process: Final = _Process()
os.register_at_fork(after_in_child=_process.unlock)


def start(
    emitter: Emitter | None = None,
    *,
    redact: Redact | None = None,
    **settings: object,
) -> Meter:
    """Start the meter of this process, and return it; the same one every time.

    The settings are those of `MeterSettings`: what is not given is read from
    `TAXIMETER_…`. A forked child goes on with a meter of its own, without anything
    that its parent had not sent. Until `stop`, threads and the work of thread pools
    inherit the attribution of whoever starts them.

    Args:
        emitter: takes the events instead of one that is made from the settings.
        redact: see `Meter`.
        settings: `bootstrap`, `source`, `durability`, `spool_dir`, …

    Raises:
        ConfigurationError: a setting cannot be used, or nothing says where Kafka is.
    """
    with _process.lock:
        if _process.meter is None:
            chosen = MeterSettings.read(settings)
            _process.meter = Meter(emitter or _emitter(chosen), chosen.source, redact)
            inheriting.inherit()
        return _process.meter


def flush(timeout: float | None = None) -> bool:
    """Wait until all that the meter of this process took so far is safe.

    For processes that are frozen or killed at any moment: AWS Lambda, notebooks.

    Returns:
        False if time ran out; nothing is lost by that, sending goes on.
    """
    meter = _process.meter
    return meter is None or meter.flush(timeout)


def stop(timeout: float | None = 10.0) -> bool:
    """Send what is left and forget the meter; wrapped clients go on unmetered.

    Returns:
        False if something could not be saved in time.
    """
    with _process.lock:
        meter, _process.meter = _process.meter, None
        inheriting.no_longer()
    return meter is None or meter.close(timeout)


def current_meter() -> Meter | None:
    """Return the meter of this process, or None before `start` and after `stop`."""
    return _process.meter


def _emitter(chosen: MeterSettings) -> Emitter:
    if not chosen.enabled:
        return _Off()
    if chosen.bootstrap is None:
        raise ConfigurationError(
            "TAXIMETER_BOOTSTRAP: nothing says where Kafka is: set it to HOST:PORT, "
            "or give start() an emitter; TAXIMETER_ENABLED=false meters nothing"
        )
    # Whoever gives an emitter of their own needs no client of Kafka.
    from taximeter_producers.kafka import KafkaEmitter  # noqa: PLC0415

    return KafkaEmitter(
        chosen.bootstrap,
        Topics(prefix=chosen.prefix),
        durability=chosen.durability,
        spool_dir=chosen.spool_dir,
        spool_max_bytes=chosen.spool_max_bytes,
        spool_max_age=chosen.spool_max_age,
        max_pending=chosen.max_pending,
        linger_ms=chosen.linger_ms,
    )


class _Off(MemoryEmitter):
    """Takes everything and keeps nothing."""

    def emit(self, event: EmittedEvent) -> bool:
        """Let the event go."""
        del event
        return True
