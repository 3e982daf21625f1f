"""What an emitter holds in memory when nobody answers where Kafka should be."""

from __future__ import annotations

from typing import Any, Final

import psutil

from taximeter.bench.traffic import Traffic
from taximeter.broker.ports import HOST, free_port
from taximeter_producers.kafka import KafkaEmitter

__all__ = ["run"]

_MIB: Final = 1024 * 1024


def run(facts: dict[str, Any]) -> dict[str, Any]:
    """Emit `events` and then half as many again, in vain."""
    traffic, count = Traffic.of(facts["traffic"]), facts["events"]
    traffic.event(0)
    emitter = KafkaEmitter(f"{HOST}:{free_port()}", max_pending=count)
    before = _resident_mib()
    taken = sum(emitter.emit(traffic.event(number)) for number in range(count))
    full = _resident_mib()
    more = range(count, count + count // 2)
    refused = sum(not emitter.emit(traffic.event(number)) for number in more)
    after = _resident_mib()
    emitter.close(0)
    return {
        "taken": taken,
        "refused": refused,
        "full_mib": full - before,
        "after_mib": after - before,
    }


def _resident_mib() -> float:
    return float(psutil.Process().memory_info().rss / _MIB)
