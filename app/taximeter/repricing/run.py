"""Carry a re-pricing out: read the ledger, compare, and send what differs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from taximeter.repricing.differences import Comparison, ModelTotals, Wish
from taximeter.repricing.priced_calls import priced_calls
from taximeter_processors.price_versions import Prices
from taximeter_producers.kafka import KafkaEmitter
from taximeter_producers.packing import EncodedEvent
from taximeter_schemas.errors import BrokerUnavailable
from taximeter_schemas.garbage import no_garbage_collection
from taximeter_sinks.charged_calls import CallFilter
from taximeter_sinks.columns import Columns
from taximeter_sinks.queries import Ledger

__all__ = ["Aim", "Outcome", "preview", "reprice"]

# So many events go in one delivery, and so many deliveries are under way: enough to
# keep Kafka busy while calls are compared, few enough for the emitter's buffer.
_DELIVERED_AT_ONCE: Final = 5_000
_DELIVERIES: Final = 6
_PATIENCE_SECONDS: Final = 60.0

Progress = Callable[[int, int], None]
"""Told how many calls have been compared, of how many."""


@dataclass(frozen=True)
class Aim:
    """Which calls, at which prices, why and for whom."""

    calls: CallFilter
    prices: Prices
    wish: Wish


@dataclass(frozen=True)
class Outcome:
    """Old against new, the dearest models first; `sent` adjustments are in Kafka."""

    models: list[ModelTotals] = field(default_factory=list[ModelTotals])
    sent: int = 0

    def total(self, name: str) -> int:
        """Return the sum of one of `ModelTotals`' numbers over all models."""
        return sum(int(getattr(model, name)) for model in self.models)


def preview(ledger: Ledger, aim: Aim, progress: Progress) -> Outcome:
    """Return what history would cost; nothing is sent.

    Raises:
        LedgerUnavailable: it cannot be read.
    """
    with no_garbage_collection():
        return asyncio.run(_compared(ledger, aim, progress, None))


async def reprice(
    ledger: Ledger, aim: Aim, progress: Progress, emitter: KafkaEmitter
) -> Outcome:
    """Send an adjustment for each call that costs something else, until Kafka has all.

    It may be killed at any moment and run again: what is sent twice is one event, and
    what stands in the ledger is not sent again.

    Raises:
        LedgerUnavailable: it cannot be read.
        BrokerUnavailable: Kafka took nothing for a minute.
    """
    # Calls, prices and events by the ten thousand: a fifth of the time went into
    # looking through them for cycles.
    with no_garbage_collection():
        return await _compared(ledger, aim, progress, emitter)


async def _compared(
    ledger: Ledger, aim: Aim, progress: Progress, emitter: KafkaEmitter | None
) -> Outcome:
    comparison = Comparison(aim.prices, aim.wish)
    deliveries = _Deliveries(emitter)
    extent = await asyncio.to_thread(ledger.calls_to_reprice, aim.calls)
    if extent is None:
        return Outcome()
    seen = 0
    sending = emitter is not None
    async for stretch in _ahead(ledger.costs_so_far(aim.calls, extent, own=sending)):
        calls = priced_calls(stretch, extent.units)
        changed = list(comparison.differing(calls))
        if sending:
            for start in range(0, len(changed), _DELIVERED_AT_ONCE):
                some = changed[start : start + _DELIVERED_AT_ONCE]
                await deliveries.add([comparison.encoded(*each) for each in some])
        seen += len(calls)
        progress(seen, extent.calls)
    await deliveries.finish()
    models = sorted(comparison.totals.values(), key=_dearest_first)
    return Outcome(models, deliveries.sent)


async def _ahead(stretches: Iterator[Columns]) -> AsyncIterator[Columns]:
    """Yield each stretch while the next one is being read."""
    following = asyncio.create_task(asyncio.to_thread(next, stretches, None))
    while (stretch := await following) is not None:
        following = asyncio.create_task(asyncio.to_thread(next, stretches, None))
        # Give it a start: what comes now keeps the processor busy.
        await asyncio.sleep(0)
        yield stretch


def _dearest_first(model: ModelTotals) -> tuple[int, str, str]:
    return -max(model.old_pico, model.new_pico), model.provider, model.model


class _Deliveries:
    """Events on their way, a bounded number at once."""

    def __init__(self, emitter: KafkaEmitter | None) -> None:
        self.sent = 0
        self._emitter = emitter
        self._under_way: set[asyncio.Task[None]] = set()

    async def add(self, events: Sequence[EncodedEvent]) -> None:
        """Send some events; wait if too many are under way."""
        if self._emitter is None:
            return
        self.sent += len(events)
        self._under_way.add(asyncio.ensure_future(self._emitter.deliver(events)))
        await asyncio.sleep(0)  # so that it begins before the next calls are compared
        await self._wait_for(_DELIVERIES)

    async def finish(self) -> None:
        """Return when Kafka has all of them."""
        await self._wait_for(0)

    async def _wait_for(self, most: int) -> None:
        while len(self._under_way) > most:
            done, self._under_way = await asyncio.wait(
                self._under_way,
                timeout=_PATIENCE_SECONDS,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not done:
                raise _stuck(self._emitter)
            for task in done:
                task.result()


def _stuck(emitter: KafkaEmitter | None) -> BrokerUnavailable:
    reason = "it has not acknowledged adjustments in time; run the command again"
    return BrokerUnavailable(emitter.bootstrap if emitter else "", reason)
