"""Reading a log that gives no answer, until nobody wants it any more."""

from __future__ import annotations

import asyncio
import gc

from taximeter_processors.kafka import read_log
from tests.serving import serving


async def test_a_reading_that_is_cancelled_while_it_connects_leaves_nothing() -> None:
    """Its connection is closed at once: a rebalance may end it at any moment."""
    asked, gone = asyncio.Event(), asyncio.Event()

    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        asked.set()
        await reader.read()
        gone.set()

    async def read(port: int) -> None:
        async for _ in read_log(f"127.0.0.1:{port}", "usage", 0):
            raise AssertionError

    async with serving(silent) as port:
        reading = asyncio.create_task(read(port))
        async with asyncio.timeout(10):
            await asked.wait()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        async with asyncio.timeout(10):
            await gone.wait()
    gc.collect()  # a consumer that nobody closed would say so here
