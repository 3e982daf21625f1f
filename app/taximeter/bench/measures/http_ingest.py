"""Row `http_ingest`: events that one API process accepts, each safe in Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from time import perf_counter
from typing import Final
from urllib.parse import urlsplit

from taximeter.bench.children import run_task
from taximeter.bench.rows import Pair, Row, row_of_pairs
from taximeter.bench.stage import Bench, Part, Stage
from taximeter.bench.traffic import Traffic
from taximeter_schemas.errors import NotReady

__all__ = ["measure"]

_CONNECTIONS: Final = 16
_WARM_UP_EVENTS: Final = 1_000
_ACCEPTED: Final = 202
_JSON: Final = {"Content-Type": "application/json"}


async def measure(bench: Bench) -> list[Row]:
    """Return the row: batches of 100, and in the detail one event a request."""
    pairs: list[Pair] = []
    count, singles = bench.sizes.http_events, bench.sizes.http_singles
    async with bench.stage(f"HTTP ingest, {count:,} events") as stage:
        traffic = bench.traffic()
        with stage.part("api", "--port", "0") as api:
            await _post(api, _batches(traffic, -_WARM_UP_EVENTS, _WARM_UP_EVENTS))
            for turn in range(bench.repeat):
                bodies = _batches(traffic, turn * count, count)
                rate = count / await _post(api, bodies)
                reference = await _reference(bench, stage, traffic, turn * count)
                pairs.append(Pair(rate, reference))
            first = bench.repeat * count
            one_by_one = [traffic.encoded(n) for n in range(first, first + singles)]
            single = singles / await _post(api, one_by_one)
    detail = (
        f"{count:,} events, 100 a request, {_CONNECTIONS} connections; "
        f"one event a request ({singles:,}): {single:,.0f} events/s"
    )
    return [row_of_pairs("http_ingest", pairs, detail)]


def _batches(traffic: Traffic, first: int, count: int) -> list[bytes]:
    return [record.value for record in traffic.packed(first, count)]


async def _post(api: Part, bodies: Sequence[bytes]) -> float:
    """Return the seconds that it takes until all bodies are accepted."""
    state = api.state
    address = urlsplit(state.urls["api"] if state else "").netloc
    shares = [bodies[n::_CONNECTIONS] for n in range(_CONNECTIONS)]
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        loop = asyncio.get_running_loop()
        started = perf_counter()
        posting = [
            loop.run_in_executor(pool, _post_each, address, share) for share in shares
        ]
        await asyncio.gather(*posting)
        return perf_counter() - started


def _post_each(address: str, bodies: Sequence[bytes]) -> None:
    connection = HTTPConnection(address, timeout=30)
    try:
        for body in bodies:
            connection.request("POST", "/v1/events", body, _JSON)
            answer = connection.getresponse()
            words = answer.read()
            if answer.status != _ACCEPTED:
                raise NotReady(f"the API answered {answer.status}: {words[:200]!r}")
    finally:
        connection.close()


async def _reference(bench: Bench, stage: Stage, traffic: Traffic, first: int) -> float:
    found = await run_task(
        "validate",
        stage.log,
        bench.cores.measured,
        traffic=traffic.facts(),
        first=first,
        count=bench.sizes.http_events,
        partitions=1,
    )
    return float(found["events_per_second"])
