"""What the callback adds to the CPU of litellm's proxy, per request.

    python -m taximeter.bench.litellm_proxy --proxy-python /opt/proxy/bin/python

litellm[proxy] and Taximeter pin some libraries differently, so the proxy is run by the
Python of an environment of its own, in which aiokafka, cramjam and pydantic are, too;
Taximeter's own code is lent to it. Proxies run side by side: one without a callback,
one with a callback that does nothing, and one with ours (events into a real Kafka).
They are asked in short turns, with mock answers. What counts is CPU time, and of that
the difference between neighbours: what else happens on a machine slows both. Before
that, a proxy by itself times our callback's hooks, and the thread that sends, from
within.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final

import click
import httpx

from taximeter.bench.asked_proxy import AskedProxy
from taximeter.bench.quantiles import median_between
from taximeter.broker.admin import ensure_topics
from taximeter.broker.ladder import broker
from taximeter.logs import say
from taximeter_schemas.topics import Topics

__all__ = ["main"]

_CALLBACKS: Final = {
    "without": None,
    "idle": "taximeter.bench.timed_callback.idle",
    "ours": "taximeter.litellm_proxy.callback",
}
_TIMED: Final = "taximeter.bench.timed_callback.timed"
_WARM_UP_REQUESTS: Final = 300
_TIMED_REQUESTS: Final = 1_000
_US: Final = 1_000_000

Turns = dict[str, list[float]]
"""CPU milliseconds a request in each turn, of each proxy."""


@contextmanager
def _proxy(python: Path, bootstrap: str, callback: str | None) -> Iterator[AskedProxy]:
    with tempfile.TemporaryDirectory() as folder:
        proxy = AskedProxy(Path(folder), python, bootstrap, callback)
        try:
            yield proxy
        finally:
            proxy.stop()


async def _in_turns(proxies: dict[str, AskedProxy], turns: int, each: int) -> Turns:
    taken: Turns = {name: [] for name in proxies}
    names = list(proxies)
    async with httpx.AsyncClient(timeout=60) as client:
        for proxy in proxies.values():
            await proxy.ready(client)
            await proxy.cpu_ms(client, _WARM_UP_REQUESTS)
        for turn in range(turns):
            first = turn % len(names)  # everybody is everybody's neighbour in turn
            for name in names[first:] + names[:first]:
                taken[name].append(await proxies[name].cpu_ms(client, each))
            last = ", ".join(f"{name} {ms[-1]:.2f}" for name, ms in taken.items())
            say(f"turn {turn + 1} of {turns}: {last} ms")
    return taken


async def _timed(python: Path, bootstrap: str) -> dict[str, float]:
    """Return the microseconds a request that our own work takes, timed from within."""
    with _proxy(python, bootstrap, _TIMED) as proxy:
        async with httpx.AsyncClient(timeout=60) as client:
            await proxy.ready(client)
            await proxy.cpu_ms(client, _TIMED_REQUESTS)
        proxy.stop()  # what its last hooks took is written by then
        found = json.loads(proxy.times.read_text())
    calls = found.pop("calls")
    return {f"{part}_us": round(s / calls * _US, 1) for part, s in found.items()}


def summed_up(taken: Turns) -> dict[str, Any]:
    """Return medians, and of what is added the range that holds 95 times in 100."""
    base = median(taken["without"])
    return {
        "ms": {name: round(median(ms), 3) for name, ms in taken.items()},
        "added_by_any_callback_percent": _added(taken["idle"], taken["without"], base),
        "added_percent": _added(taken["ours"], taken["without"], base),
        "added_to_any_callback_percent": _added(taken["ours"], taken["idle"], base),
    }


def _added(dear: list[float], cheap: list[float], base: float) -> dict[str, float]:
    more = [(a - b) / base * 100 for a, b in zip(dear, cheap, strict=True)]
    least, most = median_between(more)
    return {
        "median": round(median(more), 2),
        "least": round(least, 2),
        "most": round(most, 2),
    }


@click.command()
@click.option(
    "--proxy-python", type=click.Path(path_type=Path, exists=True), required=True
)
@click.option("--turns", type=click.IntRange(6), default=60, show_default=True)
@click.option(
    "--requests",
    type=click.IntRange(1),
    default=50,
    show_default=True,
    help="of each proxy in each turn",
)
def main(proxy_python: Path, turns: int, requests: int) -> None:
    """Print what the callback adds, as JSON."""
    with ExitStack() as stack:
        data = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bootstrap = stack.enter_context(broker(data, say))
        asyncio.run(ensure_topics(bootstrap, Topics(prefix="bench-proxy.")))
        found = asyncio.run(_timed(proxy_python, bootstrap))
        proxies = {
            name: stack.enter_context(_proxy(proxy_python, bootstrap, callback))
            for name, callback in _CALLBACKS.items()
        }
        taken = asyncio.run(_in_turns(proxies, turns, requests))
    told = {"turns": turns, "requests": requests, **summed_up(taken), **found}
    click.echo(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
