"""Calls while Kafka has trouble: how many failed, how long each took, what arrived."""

from __future__ import annotations

from time import perf_counter, sleep
from typing import Any, Final

import taximeter
from taximeter.bench.troubled import TROUBLES, Trouble, troubled

__all__ = ["run"]

_CALLS_PER_SECOND: Final = 500
_DELAYED_SECONDS: Final = 0.5
_ANSWER: Final = {
    "id": "chatcmpl-0123456789abcdef0123456789abcdef",
    "model": "gpt-4o-2024-08-06",
    "usage": {"prompt_tokens": 14, "completion_tokens": 7, "total_tokens": 21},
}


def run(facts: dict[str, Any]) -> dict[str, Any]:
    """Return what came of the calls, for each trouble.

    A call counts as delayed if it took as long as half of a slow Kafka's answer.
    """
    return {trouble: _under(trouble, facts) for trouble in TROUBLES}


def _under(trouble: Trouble, facts: dict[str, Any]) -> dict[str, Any]:
    taximeter.stop()
    with troubled(facts["bootstrap"]) as kafka:
        meter = taximeter.start(bootstrap=kafka.bootstrap, prefix=facts["prefix"])
        _answer()
        assert meter.flush(60)
        kafka.has(trouble)
        took, failed = _calls(facts["seconds"])
        kafka.has(None)
        arrived = meter.flush(120)
        stats = meter.stats()
        taximeter.stop()
    assert stats.accepted == len(took) + 1, stats
    return {
        "calls": len(took),
        "failed": failed,
        "delayed": sum(one >= _DELAYED_SECONDS for one in took),
        "slowest_ms": max(took) * 1000,
        "arrived": arrived and stats.delivered == stats.accepted,
    }


def _calls(seconds: float) -> tuple[list[float], int]:
    """Return how long each call took, and how many raised."""
    took: list[float] = []
    failed, until = 0, perf_counter() + seconds
    while (started := perf_counter()) < until:
        try:
            _answer()
        except Exception:  # which is what must never happen
            failed += 1
        took.append(perf_counter() - started)
        sleep(1 / _CALLS_PER_SECOND)
    return took, failed


@taximeter.metered(provider="openai", model="gpt-4o")
def _answer() -> object:
    return _ANSWER
