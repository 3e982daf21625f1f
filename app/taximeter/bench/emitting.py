"""Emitting as a program would: all at once, or so many a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from time import perf_counter, sleep
from typing import Final

from taximeter_producers.kafka import KafkaEmitter
from taximeter_schemas.usage import UsageRecorded

__all__ = ["emit_all", "paced"]

_WAIT_SECONDS: Final = 0.001


def emit_all(emitter: KafkaEmitter, events: Sequence[UsageRecorded]) -> None:
    """Emit events as fast as the emitter takes them; a full buffer is waited for."""
    for event in events:
        while not emitter.emit(event):
            sleep(_WAIT_SECONDS)


async def paced(count: int, per_second: int, do: Callable[[int], None]) -> None:
    """Do something this often a second, in even steps; what is late is made up for."""
    started = perf_counter()
    for number in range(count):
        ahead = started + number / per_second - perf_counter()
        if ahead > 0:
            await asyncio.sleep(ahead)
        do(number)
