"""The sink: what a sink promises, and the loop that carries Kafka into the ledger."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import duckdb

from taximeter_schemas.topics import Topics
from taximeter_sinks.consumer import RecordSource
from taximeter_sinks.decode import Place, RawRecord
from taximeter_sinks.duckdb_sink import DuckDBSink, Flushed, SinkWriteFailed
from taximeter_sinks.pace import Pace
from taximeter_sinks.quack import ServedLedger, serve, stop_serving

__all__ = ["Backlog", "Progress", "Sink", "SinkConfig", "run_sink"]

_log: Final = logging.getLogger(__name__)


class Sink(Protocol):
    """Where records end up for good.

    One event loop calls both methods. `add` is called with records in the order of
    their partitions and only keeps them; it must not raise for what they contain.
    `flush` makes durable what was added before it was called, and with it how far
    that goes, in one piece; it is never called while another one runs, but `add` may
    be. If `flush` raises `SinkWriteFailed`, nothing of it is durable, what was added
    is kept, and it is called again until it succeeds; any other exception ends the
    sink, and the next one starts from the offsets that were made durable.
    """

    def add(self, records: Sequence[RawRecord]) -> None:
        """Keep records for the next flush."""
        ...

    async def flush(self) -> Flushed:
        """Make everything that was added durable, or raise `SinkWriteFailed`."""
        ...


@dataclass(frozen=True)
class SinkConfig:
    """What a sink needs to know.

    `quack_port` 0 takes a free one. A flush is begun `flush_seconds` after the one
    before, or, as long as records come in, after a rest of twice the time that one
    took if that is longer; and at the latest when `flush_bytes` of records are waiting
    (some 25,000 calls: more than a row group of the ledger, at which a row costs
    least).
    """

    bootstrap: str
    topics: Topics
    ledger: Path
    quack_token: str = field(repr=False)
    quack_host: str = "localhost"
    quack_port: int = 0
    memory_limit: str = "512MB"
    threads: int = 1
    flush_seconds: float = 0.25
    flush_bytes: int = 24 * 1024 * 1024
    poll_seconds: float = 0.1
    retry_seconds: float = 1.0
    report_seconds: float = 5.0


@dataclass(frozen=True)
class Backlog:
    """What is still to do.

    `lag` counts the records of each partition that wait in Kafka, `pending_bytes` what
    was fetched and waits for the next flush.
    """

    lag: dict[Place, int]
    pending_bytes: int


@dataclass(frozen=True)
class Progress:
    """What a flush made durable, how long it took, and what it left to do."""

    flushed: Flushed
    took_seconds: float
    backlog: Backlog


def _ignore(_: object) -> None:
    return None


async def run_sink(
    config: SinkConfig,
    stop: asyncio.Event,
    on_ready: Callable[[ServedLedger], None] = _ignore,
    on_flush: Callable[[Progress], None] = _ignore,
    on_look: Callable[[Backlog], None] = _ignore,
) -> None:
    """Carry records into the ledger, and serve it, until told to stop.

    Args:
        config: from where, to where, how often.
        stop: set it, and what has been fetched is flushed before this returns.
        on_ready: called once the ledger is open and served; Kafka may be away still.
        on_flush: called after every flush, on the event loop.
        on_look: called every `report_seconds`, whether anything can be flushed or not.

    Raises:
        LedgerUnavailable: if the ledger cannot be opened for writing.
        LedgerTooNew: if a newer Taximeter wrote it.
        ConfigurationError: if it cannot be served at the given port.
    """
    sink = await asyncio.to_thread(
        DuckDBSink, config.ledger, config.topics, config.memory_limit, config.threads
    )
    try:
        served = serve(
            sink.ledger, config.quack_host, config.quack_port, config.quack_token
        )
        on_ready(served)
        await _run(_Loop(config, sink, served, stop, on_flush), on_look)
    finally:
        await asyncio.to_thread(sink.close)


async def _run(loop: _Loop, on_look: Callable[[Backlog], None]) -> None:
    looking = asyncio.create_task(loop.look(on_look))
    try:
        await loop.run()
    finally:
        looking.cancel()
        await loop.close()


class _Loop:
    """Fetch, add, flush; the next batch is fetched while one is being committed."""

    def __init__(
        self,
        config: SinkConfig,
        sink: DuckDBSink,
        served: ServedLedger,
        stop: asyncio.Event,
        on_flush: Callable[[Progress], None],
    ) -> None:
        self._config = config
        self._sink = sink
        self._served = served
        self._stop = stop
        self._on_flush = on_flush
        self._source = RecordSource(
            config.bootstrap, config.topics, sink.next_offsets()
        )
        self._flushing: asyncio.Task[None] | None = None
        self._pace = Pace(config.flush_seconds, config.flush_bytes)

    async def run(self) -> None:
        # A crash after any step costs nothing but the work since step 3 of the round
        # before: the ledger's offsets bring exactly the records that are not in it.
        while not self._stop.is_set():
            # 1. Fetch. The position is ours alone: nothing is acknowledged to Kafka.
            records = await self._source.fetch(self._config.poll_seconds)
            # 2. Keep in memory; a crash here forgets what Kafka still has.
            self._sink.add(records)
            # 3. Rows and offsets in one transaction, in a thread. A crash before the
            #    commit leaves neither, after it both.
            if self._is_due(quiet=not records):
                await self._begin_flush()
        await self._flushed()
        if self._sink.pending_records:
            await self._flush()

    async def look(self, tell: Callable[[Backlog], None]) -> None:
        """Tell what is still to do, for as long as the sink runs."""
        while True:
            await asyncio.sleep(self._config.report_seconds)
            tell(await self._backlog())

    async def _backlog(self) -> Backlog:
        return Backlog(await self._source.lag(), self._sink.pending_bytes)

    async def close(self) -> None:
        await self._source.close()
        try:
            stop_serving(self._sink.ledger, self._served)
        except duckdb.Error as error:
            _log.debug("the ledger is served no more: %s", error)

    def _is_due(self, *, quiet: bool) -> bool:
        now = asyncio.get_running_loop().time()
        waiting = self._sink.pending_records, self._sink.pending_bytes
        return self._pace.is_due(now, *waiting, quiet=quiet)

    async def _begin_flush(self) -> None:
        await self._flushed()  # one at a time: this is what bounds the memory
        self._pace.begun(asyncio.get_running_loop().time())
        self._flushing = asyncio.create_task(self._flush())
        await asyncio.sleep(0)  # the task takes the batch before more is added

    async def _flushed(self) -> None:
        if self._flushing is not None:
            await self._flushing

    async def _flush(self) -> None:
        """Flush until it has succeeded, however long the disk stays full."""
        now = asyncio.get_running_loop().time
        while True:
            began = now()
            try:
                flushed = await self._sink.flush()
            except SinkWriteFailed as error:
                await self._recover(error)
                if self._stop.is_set():
                    return
            else:
                ended = now()
                self._pace.ended(began, ended)
                took = ended - began
                self._on_flush(Progress(flushed, took, await self._backlog()))
                return

    async def _recover(self, error: SinkWriteFailed) -> None:
        _log.error(
            "cannot write the ledger %s: %s; nothing is lost, trying again in %g s",
            *(self._config.ledger, error.reason, self._config.retry_seconds),
        )
        try:
            async with asyncio.timeout(self._config.retry_seconds):
                await self._stop.wait()
        except TimeoutError:
            if error.fatal:
                await self._reopen()

    async def _reopen(self) -> None:
        """Open and serve the ledger anew where DuckDB has given the old one up."""
        served = self._served
        try:
            stop_serving(self._sink.ledger, served)
        except duckdb.Error as error:
            _log.debug("the ledger was served no more: %s", error)
        await asyncio.to_thread(self._sink.reopen)
        serve(self._sink.ledger, served.host, served.port, served.token)
