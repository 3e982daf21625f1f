"""`taximeter anomalies`: hours in which spend was far from usual, from the ledger."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click

from taximeter.attention_rules import anomaly_rules
from taximeter.cli.options import Format, data_option, format_option
from taximeter.cli.output import write_rows
from taximeter.logs import say
from taximeter.moments import parse_moment
from taximeter.reading import open_ledger
from taximeter.settings import WorkerSettings, read
from taximeter.spend_anomalies import ANOMALY_COLUMNS, spend_anomalies
from taximeter.state import DataDir
from taximeter_schemas.clock import SystemClock

__all__ = ["command"]


@click.command()
@data_option
@format_option
@click.option(
    "--from",
    "start",
    metavar="MOMENT",
    help="A date or a time; included.  [default: a week before the end]",
)
@click.option("--to", "end", metavar="MOMENT", help="Not included.  [default: now]")
@click.option(
    "--tz", "zone", default="UTC", show_default=True, help="An IANA time zone."
)
@click.option(
    "--subjects",
    metavar="KIND[,…]",
    help="Kinds of subjects: all, user, model, tag:team, user&model, …",
)
@click.option("--minimum", metavar="USD", help="An hour below it is no anomaly.")
@click.option("--sensitivity", type=float, help="Standard deviations that are usual.")
def command(
    *,
    data: Path,
    output: Format,
    start: str | None,
    end: str | None,
    zone: str,
    subjects: str | None,
    minimum: str | None,
    sensitivity: float | None,
) -> None:
    """Show hours that cost far more than the same hour of the week usually does.

    Workers raise an alert for each as it happens; this looks back, over any stretch and
    with other rules. Defaults are the settings TAXIMETER_ANOMALY_….
    """
    settings = read(
        WorkerSettings,
        data=data,
        anomaly_subjects=subjects,
        anomaly_minimum_usd=minimum,
        anomaly_sensitivity=sensitivity,
    )
    until = parse_moment(end, zone) if end else SystemClock().now()
    since = parse_moment(start, zone) if start else until - timedelta(weeks=1)
    with open_ledger(DataDir(data)) as ledger:
        rows = spend_anomalies(ledger, since, until, anomaly_rules(settings))
    write_rows(rows, output, ANOMALY_COLUMNS, "Anomalies")
    if not rows:
        say("no hour was far from usual")
