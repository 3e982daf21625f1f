"""The embedded Kafka: one directory, started again and again."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from taximeter.broker.admin import end_offsets, ensure_topics, wait_for_broker
from taximeter.broker.embedded import prepare
from taximeter.broker.ports import HOST, is_free, kept_port
from taximeter.state import DataDir
from taximeter_schemas.topics import Topics
from tests.waiting import eventually

BROKER = (sys.executable, "-m", "taximeter.cli", "broker")
TOPICS = Topics(prefix="kept.", partitions=1)


@contextmanager
def _broker(data: Path, *arguments: str) -> Iterator[tuple[int, str]]:
    """Run `taximeter broker` as a person would; give its pid and address."""
    command = [*BROKER, "--data", str(data)]
    log = data.with_suffix(".log")
    with log.open("ab") as out:
        process = subprocess.Popen([*command, *arguments], stdout=out, stderr=out)
    try:
        state = eventually(lambda: _running(data), timeout=30)
        assert state == process.pid, log.read_text()
        address = DataDir(data).bootstrap()
        asyncio.run(wait_for_broker(address, 40))
        yield process.pid, address
    finally:
        process.terminate()
        process.wait(20)


def _running(data: Path) -> int | None:
    state = DataDir(data).state("broker")
    return state.pid if state is not None and state.running else None


async def _put(address: str) -> None:
    await ensure_topics(address, TOPICS)
    large = b"x" * (12 * 1024 * 1024)
    async with AIOKafkaProducer(
        bootstrap_servers=address, max_request_size=16 * 1024 * 1024
    ) as producer:
        await producer.send_and_wait(TOPICS.dead_letters.name, large)
        await producer.send_and_wait(TOPICS.usage.name, b"kept")


async def _first(address: str) -> bytes | None:
    consumer = AIOKafkaConsumer(
        TOPICS.usage.name, bootstrap_servers=address, auto_offset_reset="earliest"
    )
    async with consumer:
        async with asyncio.timeout(20):
            record = await consumer.getone()
    return record.value


def test_it_is_java_and_keeps_its_data(tmp_path: Path) -> None:
    """The part's process is the broker itself; killed, it comes back as it was.

    Same port, same records, and a dead letter of 12 MiB fits.
    """
    data = tmp_path / "data"
    with _broker(data) as (pid, address):
        assert "java" in psutil.Process(pid).exe()
        asyncio.run(_put(address))
        os.kill(pid, signal.SIGKILL)
    with _broker(data) as (_, again):
        assert again == address
        assert asyncio.run(_first(again)) == b"kept"
        ends = asyncio.run(end_offsets(again, [TOPICS.dead_letters]))
        assert ends == {TOPICS.dead_letters.name: [1]}
        second = subprocess.run(
            [*BROKER, "--data", str(data)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert second.returncode == 1
        assert second.stderr.startswith("error: data directory ")
        assert "is in use by process" in second.stderr


def test_an_id_that_looks_like_an_option_is_an_id(tmp_path: Path) -> None:
    """A cluster whose random id begins with a hyphen starts like any other."""
    home = DataDir(tmp_path / "data").broker
    home.mkdir(parents=True)
    (home / "cluster.json").write_text('{"cluster_id": "-0TvvRySSMaTGcbkNEsXdA"}')
    prepared = prepare(home, lambda _: None)
    kept = (home / "logs" / "meta.properties").read_text()
    assert "cluster.id=-0TvvRySSMaTGcbkNEsXdA" in kept
    assert prepared.home == home


def test_a_port_is_kept_and_replaced_when_taken(tmp_path: Path) -> None:
    """The port stays the directory's own until something else has taken it."""
    file = tmp_path / "new" / "port"
    port = kept_port(file)
    assert kept_port(file) == port
    with socket.create_server((HOST, port)):
        assert not is_free(port)
        other = kept_port(file)
        assert other != port
    assert kept_port(file) == other


def test_a_port_asked_for_is_not_replaced(tmp_path: Path) -> None:
    """Asked to listen where something listens, the broker refuses in one line."""
    with socket.create_server((HOST, 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [*BROKER, "--data", str(tmp_path), "--port", port],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: port {port} for the broker is taken")
    assert done.stderr.count("\n") == 1
