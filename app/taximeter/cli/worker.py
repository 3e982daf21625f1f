"""`taximeter worker`: one worker alone, as a deployment runs it."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from pathlib import Path

import click

from taximeter.broker.admin import ensure_topics
from taximeter.cli.options import (
    bootstrap_option,
    data_option,
    metrics_option,
    topic_options,
)
from taximeter.logs import configure
from taximeter.metrics.serving import serving_metrics
from taximeter.settings import WorkerSettings, read
from taximeter.state import DataDir, Presence

__all__ = ["command"]


@click.command()
@data_option
@bootstrap_option
@topic_options
@metrics_option
@click.option("--name", metavar="NAME", help="Unlike any other's.  [default: worker-1]")
def command(
    data: Path,
    bootstrap: str | None,
    prefix: str | None,
    partitions: int | None,
    name: str | None,
    metrics_port: int | None,
) -> None:
    """Run one worker: prices usage, keeps spend, watches budgets."""
    settings = read(
        WorkerSettings,
        data=data,
        bootstrap=bootstrap,
        prefix=prefix,
        partitions=partitions,
        worker_name=name,
        metrics_port=metrics_port,
    )
    configure()
    place, topics = DataDir(settings.data), settings.topics()
    kafka = place.bootstrap(settings.bootstrap)
    asyncio.run(ensure_topics(kafka, topics))

    # Seconds of imports: only after what can be wrong has been found.
    from taximeter.attention_rules import attention_rules  # noqa: PLC0415
    from taximeter_processors.worker import (  # noqa: PLC0415
        FlushReport,
        WorkerConfig,
        run_worker,
    )

    own = settings.worker_name
    with (
        serving_metrics(settings, place, own) as urls,
        Presence(place, own, kafka) as presence,
    ):

        def flushed(report: FlushReport) -> None:
            facts = asdict(report)
            presence.report(last_flush_at=facts.pop("flushed_at"), **facts)

        run_worker(
            WorkerConfig(
                bootstrap=kafka,
                topics=topics,
                name=own,
                dedupe_horizon=timedelta(seconds=settings.dedupe_horizon_seconds),
                on_ready=partial(presence.ready, **urls),
                on_flush=flushed,
                attention=attention_rules(settings),
            )
        )
