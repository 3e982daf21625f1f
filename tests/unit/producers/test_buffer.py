"""Events wait in their order, whatever they wait as."""

from __future__ import annotations

import weakref

from taximeter.broker.ports import HOST, free_port
from taximeter_producers.buffer import Buffer, Item
from taximeter_producers.kafka import KafkaEmitter
from taximeter_producers.packing import Delivery, EncodedEvent
from tests.builders import a_usage
from tests.waiting import eventually


def smaller(item: Item) -> Item:
    """An event as it travels; somebody who waits stays who he is."""
    return item if isinstance(item, Delivery) else EncodedEvent.of(item)


def test_what_waits_as_something_smaller_keeps_its_place() -> None:
    """Before what came later, behind what is put back; nothing is counted twice."""
    buffer = Buffer(100, lambda: None)
    events = [a_usage() for _ in range(6)]
    barrier = Delivery()
    for event in events[:3]:
        buffer.put(event)
    buffer.put_barrier(barrier)
    assert buffer.shrink(2, smaller) == 2
    assert buffer.shrink(100, smaller) == 2
    for event in events[3:]:
        buffer.put(event)
    assert buffer.waiting == 7
    first = buffer.take(1)
    buffer.put_back(first)
    as_sent = [EncodedEvent.of(event) for event in events[:3]]
    assert buffer.take(100) == [*as_sent, barrier, *events[3:]]
    assert (buffer.waiting, buffer.taken, buffer.pending) == (0, 7, 6)


def test_events_that_kafka_does_not_take_wait_as_bytes() -> None:
    """The event itself is gone after a moment, and is still accepted."""
    emitter = KafkaEmitter(f"{HOST}:{free_port()}", flush_on_sigterm=False)
    event = a_usage()
    seen = weakref.ref(event)
    assert emitter.emit(event)
    del event
    eventually(lambda: seen() is None)
    assert emitter.stats().accepted == 1
    assert not emitter.close(0)
    assert emitter.stats().lost == 1
