"""`taximeter reconcile`: the ledger against what providers bill."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Final

import click

from taximeter.cli.options import Format, data_option, report_format_option
from taximeter.cli.output import write_rows
from taximeter.cli.spend_tables import write_spend
from taximeter.cli.stretch_options import stretch_options
from taximeter.logs import say
from taximeter.moments import moment_in
from taximeter.reading import open_ledger
from taximeter.reports.billing_apis import APIS, Days, billed_pages
from taximeter.reports.bills import BillLine, lines_of, read_bill
from taximeter.reports.reconciling import COLUMNS, EXPLANATIONS, reconciled, total_row
from taximeter.reports.stretches import Asked, stretch_of
from taximeter.spend_report import Stretch, spend_rows
from taximeter.state import DataDir
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.errors import ConfigurationError

__all__ = ["command"]

Row = dict[str, object]

_PLACES: Final = Decimal("1e-6")
_LAST_DAYS: Final = 30
_UNASKED: Final = Asked(last=f"{_LAST_DAYS}d")


@click.command()
@click.argument(
    "files",
    nargs=-1,
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="[FILE…]",
)
@click.option(
    "--fetch",
    "providers",
    multiple=True,
    type=click.Choice(list(APIS)),
    help="Ask this provider for its bill, with the admin key in "
    f"{' or '.join(api.keys[0] for api in APIS.values())}; can be given twice.",
)
@click.option(
    "--api-url",
    metavar="URL",
    help="Where to fetch from, if not from the provider itself.",
)
@data_option
@report_format_option
@stretch_options
@click.option("--differences", is_flag=True, help="Leave out what is equal.")
def command(
    files: tuple[Path, ...],
    providers: tuple[str, ...],
    api_url: str | None,
    data: Path,
    output: Format,
    stretch: Stretch,
    differences: bool,
) -> None:
    """Hold the ledger against bills: saved answers of OpenAI's costs or usage API, of
    Anthropic's cost or usage reports, or CSV with date, provider, model, amount_usd;
    or fetched from the provider, for the last 30 days if nothing else is said.

    Per provider, day (UTC) and model: ours, theirs, the difference, and a name for
    what explains it.
    """  # noqa: D205 - click makes one paragraph of it
    if not files and not providers:
        raise click.UsageError("give files with bills, or --fetch a provider's")
    lines = _read(files)
    if providers and not stretch.is_limited:
        stretch = stretch_of(_UNASKED, SystemClock().now())
    days = _days_in(stretch) if stretch.is_limited else _days_of(lines)
    for provider in providers:
        lines += _fetched(provider, days, api_url)
    lines = _within(days, lines)
    billing = sorted({line.provider for line in lines} | set(providers))
    span = Stretch(moment_in("UTC", days.first), moment_in("UTC", days.end))
    with open_ledger(DataDir(data)) as ledger:
        by = ("day", "provider", "model")
        cells = spend_rows(ledger, by, span, only={"provider": billing})
    rows = reconciled(lines, cells)
    total = total_row(rows)
    shown = [r for r in rows if not (differences and r["explanation"] == "equal")]
    _write(shown, total, output)


def _read(files: Sequence[Path]) -> list[BillLine]:
    lines: list[BillLine] = []
    for path in files:
        bill = read_bill(path)
        lines += bill.lines
        if not bill.complete:
            say(f"{path} is a page of more: fetch the next ones, or days are missing")
    return lines


def _fetched(provider: str, days: Days, url: str | None) -> list[BillLine]:
    say(f"asking {provider} what it billed from {days.first} to before {days.end}")
    try:
        return lines_of(billed_pages(provider, days, url))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"{provider}'s answer cannot be read as a bill ({error!r})"
        ) from error


def _days_in(stretch: Stretch) -> Days:
    """Return the days in UTC that a stretch touches; it ends now if it has no end."""
    end = stretch.end or SystemClock().now()
    start = stretch.start or end - timedelta(days=_LAST_DAYS)
    last = (end.astimezone(UTC) - timedelta(microseconds=1)).date()
    return Days(start.astimezone(UTC).date(), last + timedelta(days=1))


def _days_of(lines: Sequence[BillLine]) -> Days:
    if not lines:
        raise ConfigurationError("there is no line on any of these bills")
    days = [line.day for line in lines]
    return Days(min(days), max(days) + timedelta(days=1))


def _within(days: Days, lines: Sequence[BillLine]) -> list[BillLine]:
    within = [line for line in lines if days.first <= line.day < days.end]
    if left_out := len(lines) - len(within):
        say(f"{left_out} lines of days before {days.first} or after are left out")
    return within


def _write(rows: list[Row], total: Row, output: Format) -> None:
    if output not in {"table", "md"}:
        write_rows(rows, output, COLUMNS)
        return
    write_spend([_said(row) for row in [*rows, total]], output, COLUMNS)
    for name in dict.fromkeys(str(row["explanation"]) for row in rows):
        say(f"{name}: {EXPLANATIONS[name]}")


def _said(row: Row) -> Row:
    """Return a row as people read it: six places, nothing where a side says nothing."""
    return {name: _cell(name, value) for name, value in row.items()}


def _cell(name: str, value: object) -> object:
    if value is None:
        return None if name.endswith("_usd") else ""
    if not isinstance(value, Decimal):
        return value
    if name == "difference_percent":
        return f"{value:+}"
    return value.quantize(_PLACES, ROUND_HALF_EVEN)
