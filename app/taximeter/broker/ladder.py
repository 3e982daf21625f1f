"""The ladder that leads to a broker: a given one, Docker's, the embedded one."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from taximeter.broker.admin import check_broker, wait_for_broker
from taximeter.broker.embedded import EmbeddedKafka, prepare
from taximeter.broker.jars import KAFKA_VERSION
from taximeter.processes import die_with, stopped
from taximeter_schemas.errors import BrokerUnavailable

__all__ = ["broker", "docker_answers", "running"]

_BOOT_SECONDS = 60.0

T = TypeVar("T")


@contextmanager
def broker(data: Path, note: Callable[[str], None]) -> Iterator[str]:
    """Give the address of a broker for as long as the block runs.

    1. `TAXIMETER_BOOTSTRAP` names one: it has to answer.
    2. A Docker engine answers: Apache Kafka in a container, gone afterwards.
    3. Neither: the embedded one, with its data in the given directory.

    Raises:
        BrokerUnavailable: the one named does not answer, or none could be started.
    """
    named = os.environ.get("TAXIMETER_BOOTSTRAP")
    if named:
        _apart(check_broker(named))
        yield named
    elif docker_answers():
        with _container() as bootstrap:
            yield bootstrap
    else:
        with running(prepare(data, note)) as bootstrap:
            yield bootstrap


@contextmanager
def running(kafka: EmbeddedKafka) -> Iterator[str]:
    """Run an embedded broker for as long as the block runs; it answers in it.

    Raises:
        BrokerUnavailable: it does not come up; its last words are in the error.
    """
    log = kafka.home / "kafka.log"
    with log.open("ab") as out:
        process = subprocess.Popen(
            kafka.command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            preexec_fn=die_with(os.getpid()),  # noqa: PLW1509 - no other threads
        )
    with stopped(process):
        try:
            _apart(wait_for_broker(kafka.bootstrap, _BOOT_SECONDS))
        except BrokerUnavailable as error:
            why = f"{error.reason}; see {log}"
            raise BrokerUnavailable(kafka.bootstrap, why) from None
        yield kafka.bootstrap


def docker_answers() -> bool:
    """Tell whether a Docker engine really answers; a client alone is not enough."""
    try:
        done = subprocess.run(
            ["docker", "info", "--format", "{{.ServerVersion}}"],
            capture_output=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


@contextmanager
def _container() -> Iterator[str]:
    from testcontainers.kafka import KafkaContainer  # noqa: PLC0415 - tests only

    container = KafkaContainer(f"apache/kafka:{KAFKA_VERSION}").with_kraft()
    with container as kafka:
        yield kafka.get_bootstrap_server()


def _apart(coroutine: Coroutine[object, object, T]) -> T:
    """Run to completion on a loop of its own; the caller's loop is left as it is."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.close()
