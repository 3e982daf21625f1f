"""`taximeter emit`: usage events from a file or a pipe into Kafka."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import BinaryIO, Final

import click

from taximeter.broker.admin import ensure_topics
from taximeter.cli.options import (
    Format,
    bootstrap_option,
    data_option,
    format_option,
    topic_options,
)
from taximeter.cli.output import write_object, write_rows
from taximeter.logs import say
from taximeter.ndjson import emit_lines
from taximeter.settings import CommonSettings, read
from taximeter.state import DataDir
from taximeter_producers.kafka import KafkaEmitter
from taximeter_schemas.clock import SystemClock

__all__ = ["command"]

_TOLD: Final = 20


@click.command()
@click.argument("file", type=click.File("rb"), default="-", metavar="[FILE|-]")
@data_option
@bootstrap_option
@topic_options
@format_option
@click.pass_context
def command(
    context: click.Context,
    file: BinaryIO,
    data: Path,
    bootstrap: str | None,
    prefix: str | None,
    partitions: int | None,
    output: Format,
) -> None:
    """Send usage events, one JSON object a line, into Kafka.

    Prints how many were accepted, which means that Kafka has them, and how many were
    rejected; the exit code is 1 if any was. Sending a file twice is harmless.
    """
    settings = read(
        CommonSettings,
        data=data,
        bootstrap=bootstrap,
        prefix=prefix,
        partitions=partitions,
    )
    kafka = DataDir(settings.data).bootstrap(settings.bootstrap)
    topics = settings.topics()
    asyncio.run(ensure_topics(kafka, topics))
    told = _Rejections()
    emitter = KafkaEmitter(kafka, topics)
    try:
        emission = emit_lines(file, emitter, SystemClock(), told)
        lost = emitter.stats().lost
    finally:
        emitter.close()
    told.finish()
    counts = {
        "accepted": emission.accepted - lost,
        "rejected": emission.rejected + lost,
    }
    write_object(counts) if output == "json" else write_rows([counts], output)
    context.exit(1 if counts["rejected"] else 0)


class _Rejections:
    """Tells the first ones in full, and of the rest how many there were."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, line: int, reason: str) -> None:
        self._count += 1
        if self._count <= _TOLD:
            say(f"line {line}: {reason}")

    def finish(self) -> None:
        if self._count > _TOLD:
            say(f"… and {self._count - _TOLD} more were rejected")
