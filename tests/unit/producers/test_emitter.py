"""What every emitter refuses, and how the one in memory stands in for a real one."""

from __future__ import annotations

import logging
from typing import Any, cast

import pytest

from taximeter_producers.attribution import usage_recorded
from taximeter_producers.emitter import Emitter, MemoryEmitter, unfit
from taximeter_producers.kafka import KafkaEmitter
from taximeter_schemas.clock import ManualClock
from taximeter_schemas.records import MAX_EVENT_BYTES, encode_event
from taximeter_schemas.usage import Usage, UsageRecorded


def a_usage(**fields: object) -> UsageRecorded:
    """Return a usage event with these fields and plain others."""
    call: dict[str, object] = {"provider": "p", "model": "m", "usage": Usage()}
    return usage_recorded(clock=ManualClock(), **(call | fields))


def test_the_memory_emitter_keeps_what_it_is_given() -> None:
    """A test reads the events of the program under test in `sent`."""
    emitter: Emitter = MemoryEmitter()
    event = a_usage(user_id="ada")
    assert emitter.emit(event)
    assert cast("MemoryEmitter", emitter).sent == [event]
    assert emitter.stats().delivered == 1


def test_a_full_emitter_refuses_and_counts() -> None:
    """An event beyond the bound is refused, and the reason is counted."""
    emitter = MemoryEmitter(max_events=1)
    assert [emitter.emit(a_usage()) for _ in range(3)] == [True, False, False]
    assert emitter.stats().refused == {"buffer_full": 2}


def test_a_closed_emitter_refuses() -> None:
    """After close, an event is refused and what was sent stays."""
    emitter = MemoryEmitter()
    emitter.emit(a_usage())
    emitter.close()
    assert not emitter.emit(a_usage())
    assert len(emitter.sent) == 1


def test_what_is_no_event_is_refused_not_raised() -> None:
    """An emitter never raises into a call, whatever it is given."""
    emitter = MemoryEmitter()
    nonsense: Any = {"model": "m"}
    assert not emitter.emit(nonsense)
    assert emitter.stats().refused == {"invalid": 1}


def test_an_event_larger_than_a_record_may_be_is_refused() -> None:
    """32 tags in characters that JSON escapes pass the size of an event."""
    tags = {f"{n:02}" + "\x01" * 254: "\x01" * 256 for n in range(32)}
    event = a_usage(tags=tags)
    assert len(encode_event(event)) > MAX_EVENT_BYTES
    assert unfit(event) == "too_large"


def test_an_event_with_few_tags_always_fits() -> None:
    """All fields at their bounds and 8 tags stay below the size that is measured."""
    escaped = "\x01" * 256
    names = {
        name: escaped
        for name in UsageRecorded.model_fields
        if name.endswith(("_id", "_tier", "_model", "_type"))
        and name
        not in ("event_id", "event_type", "trace_id", "span_id", "reservation_id")
    }
    most = 10**12
    everything = {name: most for name in Usage.model_fields}
    event = a_usage(
        **names,
        source=escaped,
        model=escaped,
        provider=escaped,
        operation=escaped,
        endpoint=escaped,
        region=escaped,
        trace_id=escaped[:128],
        span_id=escaped[:128],
        api_key_hash=escaped[:128],
        prompt_hash=escaped[:128],
        tags={f"{n}" + "\x01" * 255: escaped for n in range(8)},
        usage=everything,
    )
    assert len(encode_event(event)) < MAX_EVENT_BYTES
    assert unfit(event) is None


def test_refusals_are_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """A thousand refusals make one line, not a thousand."""
    emitter = MemoryEmitter(max_events=0)
    with caplog.at_level(logging.WARNING):
        for _ in range(1000):
            emitter.emit(a_usage())
    assert len(caplog.records) == 1


def test_a_kafka_emitter_without_a_broker_takes_refuses_and_never_raises() -> None:
    """With no broker it fills up to its bound, refuses the rest, and says so."""
    emitter = KafkaEmitter(
        "127.0.0.1:1", max_pending=2, compression=None, flush_on_sigterm=False
    )
    try:
        assert [emitter.emit(a_usage()) for _ in range(3)] == [True, True, False]
        assert not emitter.flush(timeout=0.05)
    finally:
        assert not emitter.close(timeout=0.05)
    assert not emitter.emit(a_usage())
    stats = emitter.stats()
    assert (stats.accepted, stats.lost, stats.pending) == (2, 2, 0)
    assert stats.refused == {"buffer_full": 1, "closed": 1}
