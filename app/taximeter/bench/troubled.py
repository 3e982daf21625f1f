"""A Kafka with trouble: what stands between it and its clients, and holds things up.

It passes on whole answers, and puts its own address in place of the broker's in them,
since clients go on to the address that a broker says of itself.
"""

from __future__ import annotations

import asyncio
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, Literal

from taximeter.broker.ports import HOST, free_port

__all__ = ["TROUBLES", "Trouble", "TroubledKafka", "troubled"]

Trouble = Literal["stopped", "slow", "refusing"]
TROUBLES: Final[tuple[Trouble, ...]] = ("stopped", "slow", "refusing")

_SLOW_SECONDS: Final = 1.0
_SIZE: Final = struct.Struct(">i")
_READ_BYTES: Final = 65_536


class TroubledKafka:
    """A broker's other address.

    `stopped` takes connections and answers nothing, `slow` takes a second for each
    answer, `refusing` has nobody listening.

    Args:
        bootstrap: the broker; of several, the first.
    """

    def __init__(self, bootstrap: str) -> None:
        first = bootstrap.partition(",")[0]
        self._host, _, port = first.rpartition(":")
        self._broker_port = int(port)
        self._port = free_port()
        self.bootstrap = f"{HOST}:{self._port}"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._server: asyncio.Server | None = None
        self._running = asyncio.Event()
        self._pause_seconds = 0.0
        self._open: set[asyncio.StreamWriter] = set()

    def start(self) -> None:
        """Pass everything on, from now on."""
        self._thread.start()
        self.has(None)

    def has(self, trouble: Trouble | None) -> None:
        """Have this trouble from now on, or none any more."""
        turned = asyncio.run_coroutine_threadsafe(self._turn(trouble), self._loop)
        turned.result(10)

    def end(self) -> None:
        """Be gone."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _turn(self, trouble: Trouble | None) -> None:
        self._pause_seconds = _SLOW_SECONDS if trouble == "slow" else 0.0
        if trouble == "stopped":
            self._running.clear()
        else:
            self._running.set()
        if trouble == "refusing":
            self._close()
        elif self._server is None:
            self._server = await asyncio.start_server(self._serve, HOST, self._port)

    def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._open:
            writer.transport.abort()

    async def _end(self) -> None:
        self._close()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _serve(
        self, asks: asyncio.StreamReader, answers: asyncio.StreamWriter
    ) -> None:
        await self._running.wait()
        broker, to_broker = await asyncio.open_connection(self._host, self._broker_port)
        self._open |= {answers, to_broker}
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await asyncio.gather(
                    self._ask(asks, to_broker), self._answer(broker, answers)
                )
        finally:
            self._open -= {answers, to_broker}
            for writer in (answers, to_broker):
                writer.transport.abort()

    async def _ask(
        self, client: asyncio.StreamReader, broker: asyncio.StreamWriter
    ) -> None:
        while data := await client.read(_READ_BYTES):
            await self._running.wait()
            broker.write(data)
            await broker.drain()
        raise ConnectionResetError

    async def _answer(
        self, broker: asyncio.StreamReader, client: asyncio.StreamWriter
    ) -> None:
        while True:
            (size,) = _SIZE.unpack(await broker.readexactly(_SIZE.size))
            answer = self._here(await broker.readexactly(size))
            await asyncio.sleep(self._pause_seconds)
            await self._running.wait()
            client.write(_SIZE.pack(len(answer)) + answer)
            await client.drain()

    def _here(self, answer: bytes) -> bytes:
        """Put this address in place of the broker's."""
        theirs = _address(self._host, self._broker_port)
        return answer.replace(theirs, _address(HOST, self._port))


@contextmanager
def troubled(bootstrap: str) -> Iterator[TroubledKafka]:
    """Stand in front of a broker for as long as the block runs."""
    kafka = TroubledKafka(bootstrap)
    kafka.start()
    try:
        yield kafka
    finally:
        kafka.end()


def _address(host: str, port: int) -> bytes:
    """Return an address as Kafka writes it: the name with its length, and the port."""
    name = host.encode()
    return struct.pack(">h", len(name)) + name + struct.pack(">i", port)
