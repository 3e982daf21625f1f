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
from taximeter_schemas.errors import BrokerUnavailable
from taximeter_schemas.topics import Topics

__all__ = ["command"]

_TOLD: Final = 20
_PATIENCE_SECONDS: Final = 60.0


@click.command()
@click.argument("file", type=click.File("rb"), default="-", metavar="[FILE|-]")
@data_option
@bootstrap_option
@topic_options
@click.option(
    "--spool",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Put events on disk first; what Kafka does not take now is sent by the "
    "next run, or by any emitter that uses the directory.",
)
@format_option
@click.pass_context
def command(
    context: click.Context,
    file: BinaryIO,
    data: Path,
    bootstrap: str | None,
    prefix: str | None,
    partitions: int | None,
    spool: Path | None,
    output: Format,
) -> None:
    """Send usage events, one JSON object a line, into Kafka.

    Prints how many were accepted, which means that Kafka has them, or with --spool
    the disk; and how many were rejected. The exit code is 1 if any was. Sending a
    file twice is harmless.
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
    answers = _ensure_topics(kafka, topics, spool)
    told = _Rejections()
    emitter = _emitter(kafka, topics, spool)
    try:
        emission = emit_lines(file, emitter, SystemClock(), told)
        if answers:
            emitter.flush(_PATIENCE_SECONDS)
    finally:
        emitter.close()
    told.finish()
    stats = emitter.stats()
    counts = {
        "accepted": emission.accepted - stats.lost,
        "rejected": emission.rejected + stats.lost,
    }
    if spool is not None:
        counts["spooled"] = stats.spooled
    write_object(counts) if output == "json" else write_rows([counts], output)
    context.exit(1 if counts["rejected"] else 0)


def _ensure_topics(kafka: str, topics: Topics, spool: Path | None) -> bool:
    """Create missing topics; False if Kafka does not answer, and a spool makes up."""
    try:
        asyncio.run(ensure_topics(kafka, topics))
    except BrokerUnavailable as error:
        if spool is None:
            raise
        say(f"{error}; events are kept in {spool}")
        return False
    return True


def _emitter(kafka: str, topics: Topics, spool: Path | None) -> KafkaEmitter:
    if spool is None:
        return KafkaEmitter(kafka, topics)
    return KafkaEmitter(kafka, topics, durability="spool", spool_dir=spool)


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
