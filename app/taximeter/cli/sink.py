"""`taximeter sink`: the ledger's one writer alone, as a deployment runs it."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import click

from taximeter.broker.admin import ensure_topics
from taximeter.cli.options import bootstrap_option, data_option, topic_options
from taximeter.logs import configure
from taximeter.reading import quack_token
from taximeter.settings import SinkSettings, read
from taximeter.state import DataDir, Presence
from taximeter_schemas.clock import Clock, SystemClock
from taximeter_sinks.quack import ServedLedger
from taximeter_sinks.sink import Progress, SinkConfig, run_sink

__all__ = ["command"]


@click.command()
@data_option
@bootstrap_option
@topic_options
@click.option(
    "--quack-port",
    type=click.IntRange(0, 65_535),
    metavar="P",
    help="Where the ledger can be read over Quack.  [default: any free port]",
)
def command(
    data: Path,
    bootstrap: str | None,
    prefix: str | None,
    partitions: int | None,
    quack_port: int | None,
) -> None:
    """Run the sink: writes charges into the DuckDB ledger and serves it."""
    settings = read(
        SinkSettings,
        data=data,
        bootstrap=bootstrap,
        prefix=prefix,
        partitions=partitions,
        quack_port=quack_port,
    )
    configure()
    place, topics = DataDir(settings.data), settings.topics()
    kafka = place.bootstrap(settings.bootstrap)
    config = SinkConfig(
        bootstrap=kafka,
        topics=topics,
        ledger=place.ledger,
        quack_token=quack_token(settings, place),
        quack_host=settings.quack_host or "localhost",
        quack_port=settings.quack_port or 0,
    )
    with Presence(place, "sink", kafka) as presence:
        asyncio.run(_run(config, _Reporter(presence, topics.charges.name)))


async def _run(config: SinkConfig, reporter: _Reporter) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await ensure_topics(config.bootstrap, config.topics)
    await run_sink(config, stop, reporter.ready, reporter.flushed)


class _Reporter:
    """Puts what the sink says into its state file."""

    def __init__(
        self, presence: Presence, charges: str, clock: Clock | None = None
    ) -> None:
        self._presence = presence
        self._charges = charges
        self._clock = clock or SystemClock()
        self._rows = 0
        self._progress: dict[str, int] = {}

    def ready(self, served: ServedLedger) -> None:
        self._presence.ready(quack=served.uri)

    def flushed(self, progress: Progress) -> None:
        flushed = progress.flushed
        self._rows += flushed.rows
        self._progress |= {
            str(place.partition): offset
            for place, offset in flushed.next_offsets.items()
            if place.topic == self._charges
        }
        self._presence.report(
            last_flush_at=self._clock.now().isoformat(),
            rows=self._rows,
            progress=self._progress,
        )
