"""`taximeter forecast`: what a period will come to."""

from __future__ import annotations

from pathlib import Path
from typing import Final, cast

import click

from taximeter.cli.options import Format, data_option, format_option
from taximeter.cli.output import write_rows
from taximeter.logs import say
from taximeter.moments import time_zone
from taximeter.reading import open_ledger
from taximeter.spend_forecast import FORECAST_COLUMNS, FORECAST_KINDS, spend_forecast
from taximeter.state import DataDir
from taximeter_schemas.budgets import Period
from taximeter_schemas.clock import SystemClock

__all__ = ["command"]

_PERIODS: Final = ("day", "week", "month", "quarter", "year")


@click.command()
@data_option
@format_option
@click.option("--by", type=click.Choice(FORECAST_KINDS), help="Each of them.")
@click.option(
    "--period",
    type=click.Choice(_PERIODS),
    default="month",
    show_default=True,
    help="The current one is looked at.",
)
@click.option(
    "--tz", "zone", default="UTC", show_default=True, help="An IANA time zone."
)
@click.option("--limit", type=click.IntRange(1), help="At most so many rows.")
def command(
    *,
    data: Path,
    output: Format,
    by: str | None,
    period: str,
    zone: str,
    limit: int | None,
) -> None:
    """Show what the current month, or another period, will come to.

    Worked out from up to eight weeks of hourly spend, by weekday and hour; four times
    out of five the end is between low and high. With less than two weeks of history
    the period goes on as it began.
    """
    time_zone(zone)
    now = SystemClock().now()
    with open_ledger(DataDir(data)) as ledger:
        rows = spend_forecast(ledger, now, cast(Period, period), zone, by)[:limit]
    columns = (*((by,) if by else ()), *FORECAST_COLUMNS)
    write_rows(rows, output, columns, f"Forecast of the {period}")
    if not rows:
        say(f"nothing has been spent in this {period}")
