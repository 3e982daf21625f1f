"""What metering adds to a call: bare and metered ones in turns, with real clients."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable
from time import perf_counter_ns, process_time_ns
from typing import Any, Final, NamedTuple

import taximeter
from taximeter.bench.metered_calls import INTEGRATIONS, Calls
from taximeter.bench.quantiles import quantile
from taximeter_producers.wrapping.later import later

__all__ = ["run"]

_NS_PER_US: Final = 1_000
_WARM_UP: Final = 5


def run(facts: dict[str, Any]) -> dict[str, Any]:
    """Return p50 and p99 of what each adds, in µs; None where it is not installed."""
    taximeter.stop()
    meter = taximeter.start(bootstrap=facts["bootstrap"], prefix=facts["prefix"])
    try:
        names: Iterable[str] = facts.get("only") or INTEGRATIONS
        return {name: _added(INTEGRATIONS[name], facts["calls"]) for name in names}
    finally:
        stats = meter.stats()
        taximeter.stop()
        assert not stats.refused, stats


def _added(make: Callable[[], Calls], count: int) -> dict[str, float] | None:
    try:
        calls = make()
    except ImportError:
        return None
    bare, metered = asyncio.run(_in_turns(calls, count))
    return {
        "p50": quantile(metered.took, 50) - quantile(bare.took, 50),
        "p99": quantile(metered.took, 99) - quantile(bare.took, 99),
        "cpu": quantile(metered.cpu, 50) - quantile(bare.cpu, 50),
    }


class _Took(NamedTuple):
    """Microseconds of each call: of its caller, and of all processor time for it."""

    took: list[float]
    cpu: list[float]


async def _in_turns(calls: Calls, count: int) -> tuple[_Took, _Took]:
    """Return what the bare and the metered calls took."""
    bare, metered = _Took([], []), _Took([], [])
    for _ in range(_WARM_UP):
        await _block(calls, _Took([], []), _Took([], []), swapped=False)
    for turn in range(max(1, count // calls.block)):
        # Who comes second may find the first one's work still going on.
        await _block(calls, bare, metered, swapped=turn % 2 == 1)
    return bare, metered


async def _block(calls: Calls, bare: _Took, metered: _Took, *, swapped: bool) -> None:
    for meters in (True, False) if swapped else (False, True):
        calls.switch(meters)
        call, of = (calls.metered, metered) if meters else (calls.bare, bare)
        for _ in range(calls.block):
            await _once(call, of)


async def _once(call: Callable[[], Any], of: _Took) -> None:
    """Make one call; what is done after it, while a service would wait, is CPU only."""
    busy, started = process_time_ns(), perf_counter_ns()
    made = call()
    if inspect.isawaitable(made):
        await made
    of.took.append((perf_counter_ns() - started) / _NS_PER_US)
    later.drain()
    of.cpu.append((process_time_ns() - busy) / _NS_PER_US)
