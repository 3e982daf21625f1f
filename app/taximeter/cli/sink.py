"""`taximeter sink`: the ledger's one writer alone, as a deployment runs it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import click

from taximeter.allocation import keep_freed_memory
from taximeter.broker.admin import ensure_topics
from taximeter.cli.options import (
    bootstrap_option,
    data_option,
    metrics_option,
    topic_options,
)
from taximeter.logs import configure
from taximeter.metrics.serving import serving_metrics
from taximeter.reading import quack_token
from taximeter.settings import SinkSettings, read
from taximeter.state import DataDir, Presence
from taximeter_schemas import fault_points
from taximeter_schemas.clock import Clock, SystemClock
from taximeter_sinks.decode import Place
from taximeter_sinks.quack import ServedLedger
from taximeter_sinks.sink import Backlog, Progress, SinkConfig, run_sink

__all__ = ["command", "sink_config"]


@click.command()
@data_option
@bootstrap_option
@topic_options
@metrics_option
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
    metrics_port: int | None,
) -> None:
    """Run the sink: writes charges into the DuckDB ledger and serves it."""
    settings = read(
        SinkSettings,
        data=data,
        bootstrap=bootstrap,
        prefix=prefix,
        partitions=partitions,
        quack_port=quack_port,
        metrics_port=metrics_port,
    )
    configure()
    keep_freed_memory()
    fault_points.arm(os.environ)
    place = DataDir(settings.data)
    config = sink_config(settings, place)
    with (
        serving_metrics(settings, place, "sink") as urls,
        Presence(place, "sink", config.bootstrap) as presence,
    ):
        charges = config.topics.charges.name
        asyncio.run(_run(config, _Reporter(presence, charges, urls)))


def sink_config(settings: SinkSettings, place: DataDir) -> SinkConfig:
    """Return from where to where a sink carries records, with what it may take."""
    return SinkConfig(
        bootstrap=place.bootstrap(settings.bootstrap),
        topics=settings.topics(),
        ledger=place.ledger,
        quack_token=quack_token(settings, place),
        quack_host=settings.quack_host or "localhost",
        quack_port=settings.quack_port or 0,
        memory_limit=f"{settings.ledger_memory_mib}MiB",
        threads=settings.ledger_threads,
    )


async def _run(config: SinkConfig, reporter: _Reporter) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await ensure_topics(config.bootstrap, config.topics)
    await run_sink(config, stop, reporter.ready, reporter.flushed, reporter.looked)


class _Reporter:
    """Puts what the sink says into its state file."""

    def __init__(
        self,
        presence: Presence,
        charges: str,
        urls: Mapping[str, str],
        clock: Clock | None = None,
    ) -> None:
        self._presence = presence
        self._charges = charges
        self._urls = urls
        self._clock = clock or SystemClock()
        self._written = Counter[str]()
        self._progress: dict[str, int] = {}

    def ready(self, served: ServedLedger) -> None:
        self._presence.ready(quack=served.uri, **self._urls)

    def flushed(self, progress: Progress) -> None:
        flushed = progress.flushed
        self._written["rows"] += flushed.rows
        self._written["skipped"] += flushed.skipped
        self._written["undecodable"] += flushed.undecodable
        self._progress |= {
            str(place.partition): offset
            for place, offset in flushed.next_offsets.items()
            if place.topic == self._charges
        }
        self._presence.report(
            **self._written,
            last_flush_at=self._clock.now().isoformat(),
            flush_seconds=progress.took_seconds,
            progress=self._progress,
            **_backlog(progress.backlog),
        )

    def looked(self, backlog: Backlog) -> None:
        self._presence.report(**_backlog(backlog))


def _backlog(backlog: Backlog) -> dict[str, object]:
    lag = _by_topic(backlog.lag)
    return {"pending_bytes": backlog.pending_bytes, "lag": lag}


def _by_topic(lag: Mapping[Place, int]) -> dict[str, dict[str, int]]:
    topics: dict[str, dict[str, int]] = {}
    for place, records in sorted(lag.items()):
        topics.setdefault(place.topic, {})[str(place.partition)] = records
    return topics
