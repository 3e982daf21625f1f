"""`taximeter alerts`: what was raised, and what is raised now."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, get_args

import click

from taximeter.alert_feed import alert_in_words, follow_alerts, raised_alerts
from taximeter.broker.admin import ensure_topics
from taximeter.cli.options import Format, format_option
from taximeter.cli.output import write_rows
from taximeter.cli.where import Where, where_options
from taximeter.logs import say
from taximeter_schemas.alerts import Alert, BudgetThresholdCrossed

__all__ = ["command"]

_KINDS: Final[tuple[type[Alert], ...]] = get_args(Alert)
_OWN: Final = tuple(
    name
    for name in BudgetThresholdCrossed.model_fields
    if name not in ("event_type", "schema_version")
)
# Those of thresholds stand where they always stood; the others' own come behind.
_COLUMNS: Final = (
    *_OWN,
    "event_type",
    *dict.fromkeys(
        name
        for kind in _KINDS
        for name in kind.model_fields
        if name not in (*_OWN, "event_type", "schema_version")
    ),
)


@click.command()
@where_options
@format_option
@click.option("--follow", is_flag=True, help="Go on with each new one, until Ctrl-C.")
def command(where: Where, output: Format, *, follow: bool) -> None:
    """Show the alerts that were raised, each once.

    As JSON an array; with --follow, which has no end, an object a line.
    """
    if follow:
        if output == "csv":
            click.echo(_csv(_COLUMNS))
        with suppress(KeyboardInterrupt):
            asyncio.run(_follow(where, output))
        return
    alerts = asyncio.run(raised_alerts(where.kafka(), where.topics))
    if output == "table":
        for alert in alerts:
            click.echo(alert_in_words(alert))
    else:
        rows = [alert.model_dump(mode="json") for alert in alerts]
        write_rows(rows, output, _COLUMNS if output == "csv" else None)
    if not alerts:
        say("no alert has been raised")


async def _follow(where: Where, output: Format) -> None:
    kafka = where.kafka()
    await ensure_topics(kafka, where.topics)
    async for alert in follow_alerts(kafka, where.topics):
        click.echo(_line(alert, output))


def _line(alert: Alert, output: Format) -> str:
    if output == "json":
        return alert.model_dump_json()
    if output == "table":
        return alert_in_words(alert)
    fields = alert.model_dump(mode="json")
    return _csv([fields.get(name) for name in _COLUMNS])


def _csv(cells: Sequence[object]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(cells)
    return out.getvalue()
