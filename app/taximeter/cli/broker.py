"""`taximeter broker`: the embedded Kafka alone."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from taximeter.broker.embedded import prepare
from taximeter.cli.options import data_option
from taximeter.logs import say
from taximeter.settings import BrokerSettings, read
from taximeter.state import DataDir, PartState, locked
from taximeter_schemas.clock import SystemClock

__all__ = ["command"]


@click.command()
@data_option
@click.option("--port", type=int, help="Default: one kept in the data directory.")
def command(data: Path, port: int | None) -> None:
    """Run the embedded Apache Kafka alone, in the foreground.

    Its data is in DATA/broker and outlives it. SIGTERM and Ctrl-C stop it.
    """
    settings = read(BrokerSettings, data=data, broker_port=port)
    place = DataDir(settings.data)
    place.broker.mkdir(parents=True, exist_ok=True)
    lock = locked(place.broker / "lock")
    kafka = prepare(place.broker, say, settings.broker_port)
    urls = {"kafka": kafka.bootstrap}
    place.write_state(PartState.of_this_process("broker", SystemClock(), urls))
    say(f"starting Kafka at {kafka.bootstrap}")
    # From here on this process is Java's, lock and process id included: whoever
    # signals the part signals the broker itself.
    os.set_inheritable(lock, True)
    sys.stdout.flush()
    os.execv(kafka.command[0], kafka.command)  # noqa: S606 - our own command line
