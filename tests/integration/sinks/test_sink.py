"""The sink on a real Kafka: killed, restarted, early, and sent things twice."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer

from taximeter.broker.admin import ensure_topics
from taximeter_schemas.errors import LedgerUnavailable
from taximeter_schemas.topics import Topics
from taximeter_sinks.decode import Place, RawRecord
from taximeter_sinks.quack import ServedLedger
from taximeter_sinks.queries import Duplicates, Ledger
from taximeter_sinks.sink import Backlog, Progress, SinkConfig, run_sink
from tests.unit.sinks.charge_builders import a_charge, charges_record
from tests.waiting import eventually, eventually_async

pytestmark = pytest.mark.broker

TOKEN = "a-token-of-this-test"


def packed_charges(
    partition: int, offset: int, topics: Topics, calls: int = 20
) -> RawRecord:
    """Return a charges record of some calls, each with a cost of its own."""
    charges = [
        a_charge(partition, offset, at, f"0.{partition + 1}{offset:05d}{at:05d}1")
        for at in range(calls)
    ]
    return charges_record(charges, topic=topics.charges.name)


async def send(bootstrap: str, records: Iterable[RawRecord]) -> None:
    """Put records into Kafka, each into its own partition."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        for record in records:
            await producer.send(
                record.topic, record.value, record.key, partition=record.partition
            )
        await producer.flush()


@dataclass
class ARunningSink:
    """A sink in this process, with what its flushes told."""

    path: Path
    served: ServedLedger
    flushes: list[Progress]
    looks: list[Backlog]

    def rows(self) -> int:
        """Return how many rows have been committed."""
        return sum(progress.flushed.rows for progress in self.flushes)


@asynccontextmanager
async def running(
    bootstrap: str, topics: Topics, path: Path
) -> AsyncIterator[ARunningSink]:
    """Run a sink until the block ends."""
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    flushes: list[Progress] = []
    looks: list[Backlog] = []
    config = SinkConfig(bootstrap, topics, path, TOKEN, report_seconds=0.1)
    task = asyncio.create_task(
        run_sink(config, stop, ready.set_result, flushes.append, looks.append)
    )
    await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    yield ARunningSink(path, ready.result(), flushes, looks)
    stop.set()
    await task


@contextmanager
def sink_process(
    bootstrap: str, topics: Topics, path: Path
) -> Iterator[subprocess.Popen[str]]:
    """Start a sink as a child process; what is left of it is killed at the end."""
    command = [sys.executable, "-m", "tests.integration.sinks.sink_process"]
    arguments = [bootstrap, topics.prefix, str(path), TOKEN]
    with subprocess.Popen(
        [*command, *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def rows_told(process: subprocess.Popen[str], at_least: int) -> int:
    """Read what a sink process tells until it has committed so many rows."""
    assert process.stdout
    rows = 0
    while rows < at_least:
        line = process.stdout.readline()
        assert line, "the sink ended by itself"
        rows += json.loads(line).get("rows", 0)
    return rows


async def test_a_killed_sink_resumes_with_neither_a_gap_nor_a_double_row(
    bootstrap: str, topics: Topics, tmp_path: Path
) -> None:
    """Killed three times in mid-stream, every charge is in the ledger exactly once."""
    path, records, each = tmp_path / "ledger.duckdb", 600, 5
    total = topics.partitions * records * each
    sent = [
        packed_charges(partition, offset, topics, each)
        for offset in range(records)
        for partition in range(topics.partitions)
    ]
    await send(bootstrap, sent)
    before = 0
    for _ in range(3):
        with sink_process(bootstrap, topics, path) as process:
            rows_told(process, 200)
            process.kill()
            process.wait()
        with Ledger.open(path) as ledger:
            now = ledger.counts()["charges"]
        assert before < now < total  # it really was in the middle
        before = now
    # What was being priced when a worker crashed comes again, too.
    await send(bootstrap, sent[-40:])
    expected = sum(
        (
            Decimal(f"0.{partition + 1}{offset:05d}{at:05d}1")
            for offset in range(records)
            for partition in range(topics.partitions)
            for at in range(each)
        ),
        Decimal(0),
    )
    with sink_process(bootstrap, topics, path) as process:
        rows_told(process, total - before)
        process.terminate()
        assert process.wait(timeout=30) == 0
    with Ledger.open(path) as ledger:
        assert ledger.duplicates() == Duplicates(0, 0)
        by_partition = ledger.charged_by_partition()
        assert ledger.source_offsets() == dict.fromkeys(range(4), records - 1)
    assert {charged.rows for charged in by_partition.values()} == {records * each}
    assert sum(charged.cost_usd for charged in by_partition.values()) == expected


async def test_charges_that_are_sent_again_are_skipped_and_counted(
    bootstrap: str, topics: Topics, tmp_path: Path
) -> None:
    """A worker that starts over from an earlier offset adds no row."""
    first = [packed_charges(0, offset, topics) for offset in range(5)]
    again = [packed_charges(0, offset, topics) for offset in range(2, 7)]
    async with running(bootstrap, topics, tmp_path / "ledger.duckdb") as sink:
        await send(bootstrap, first + again)
        await asyncio.to_thread(eventually, lambda: sink.rows() >= 7 * 20)
        with Ledger.open(sink.path, sink.served) as ledger:
            answer = await asyncio.to_thread(ledger.sql, "SELECT count(*) FROM charges")
    assert answer.rows == [(7 * 20,)]
    assert sum(progress.flushed.skipped for progress in sink.flushes) == 3
    assert set(sink.flushes[-1].backlog.lag.values()) == {0}


async def test_the_end_of_a_transaction_does_not_wait(
    bootstrap: str, topics: Topics, tmp_path: Path
) -> None:
    """What waits are records: a sink that has them all says so, and goes on saying."""
    async with running(bootstrap, topics, tmp_path / "ledger.duckdb") as sink:
        async with AIOKafkaProducer(
            bootstrap_servers=bootstrap, transactional_id=f"{topics.prefix}writer"
        ) as producer:
            for offset in (0, 2):
                record = packed_charges(0, offset, topics)
                async with producer.transaction():
                    await producer.send(record.topic, record.value, record.key, 0)
        await asyncio.to_thread(eventually, lambda: sink.rows() >= 40)
        sink.looks.clear()

        def nothing_waits() -> bool:
            backlog = sink.looks[-1]
            assert backlog.lag[Place(topics.charges.name, 0)] == 0
            return backlog.pending_bytes == 0

        await asyncio.to_thread(eventually, lambda: sink.looks and nothing_waits())


async def test_topics_that_do_not_exist_yet_are_waited_for(
    bootstrap: str, tmp_path: Path
) -> None:
    """A sink that starts first reads what comes once there is somewhere to come to."""
    topics = Topics(prefix=f"late-{uuid4().hex[:12]}.", partitions=4)
    async with running(bootstrap, topics, tmp_path / "ledger.duckdb") as sink:
        await ensure_topics(bootstrap, topics)
        await send(bootstrap, [packed_charges(3, 0, topics)])
        await asyncio.to_thread(eventually, lambda: sink.rows() == 20, 20)


async def test_a_broker_that_is_away_does_not_end_the_sink(
    topics: Topics, tmp_path: Path
) -> None:
    """It serves the ledger as far as it goes, waits, and stops when it is told to."""
    async with running("127.0.0.1:1", topics, tmp_path / "ledger.duckdb") as sink:
        with Ledger.open(sink.path, sink.served) as ledger:
            counts = await asyncio.to_thread(ledger.counts)
    assert counts["charges"] == 0


async def test_records_that_have_expired_are_told_and_passed(
    bootstrap: str, topics: Topics, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An offset that Kafka no longer has is an error in the log, not the end."""
    path = tmp_path / "ledger.duckdb"
    await send(bootstrap, [packed_charges(0, 0, topics)])
    async with running(bootstrap, topics, path) as sink:
        await asyncio.to_thread(eventually, lambda: sink.rows() == 20)
    _pretend_it_was_read_up_to(path, 1000)
    await send(bootstrap, [packed_charges(0, 1, topics)])
    async with running(bootstrap, topics, path) as sink:
        await asyncio.to_thread(eventually, lambda: sink.rows() == 20)
    assert "goes on at offset 0 where 1000 was next" in caplog.text


async def test_the_end_of_a_transaction_is_no_gap(
    bootstrap: str, topics: Topics, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It takes an offset of its own, and nothing has expired."""
    async with running(bootstrap, topics, tmp_path / "ledger.duckdb") as sink:
        async with AIOKafkaProducer(
            bootstrap_servers=bootstrap, transactional_id=topics.prefix
        ) as producer:
            for offset in range(3):
                record = packed_charges(0, offset, topics)
                async with producer.transaction():
                    await producer.send(
                        record.topic, record.value, record.key, partition=0
                    )
        await asyncio.to_thread(eventually, lambda: sink.rows() == 60)
    assert "expired" not in caplog.text


def _pretend_it_was_read_up_to(path: Path, offset: int) -> None:
    import duckdb

    with duckdb.connect(str(path)) as ledger:
        ledger.execute("UPDATE consumed_offsets SET next_offset = ?", [offset])


async def test_a_second_sink_on_the_same_ledger_is_refused(
    bootstrap: str, topics: Topics, tmp_path: Path
) -> None:
    """There is one writer; the second one is told so and ends."""
    path = tmp_path / "ledger.duckdb"
    async with running(bootstrap, topics, path):
        with sink_process(bootstrap, topics, path) as process:

            async def ended() -> bool:
                return process.poll() is not None

            await eventually_async(ended, 30)
            assert process.returncode != 0
    with Ledger.open(path) as ledger:
        assert ledger.counts()["charges"] == 0


def test_a_directory_that_cannot_be_is_one_clear_error(tmp_path: Path) -> None:
    """A ledger below a file ends the sink at once."""
    (tmp_path / "file").write_text("")
    config = SinkConfig(
        "127.0.0.1:1", Topics(), tmp_path / "file" / "ledger.duckdb", TOKEN
    )
    with pytest.raises(LedgerUnavailable, match=r"ledger\.duckdb"):
        asyncio.run(run_sink(config, asyncio.Event()))
