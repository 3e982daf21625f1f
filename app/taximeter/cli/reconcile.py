"""`taximeter reconcile`: the ledger against what providers bill."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Final

import click

from taximeter.cli.options import Format, data_option, report_format_option
from taximeter.cli.output import write_rows
from taximeter.cli.spend_tables import write_spend
from taximeter.logs import say
from taximeter.reading import open_ledger
from taximeter.reports.bills import BillLine, read_bill
from taximeter.reports.reconciling import COLUMNS, EXPLANATIONS, reconciled, total_row
from taximeter.spend_report import Stretch, spend_rows
from taximeter.state import DataDir
from taximeter_schemas.errors import ConfigurationError

__all__ = ["command"]

Row = dict[str, object]

_PLACES: Final = Decimal("1e-6")


@click.command()
@click.argument(
    "files",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE…",
)
@data_option
@report_format_option
@click.option("--differences", is_flag=True, help="Leave out what is equal.")
def command(
    files: tuple[Path, ...], data: Path, output: Format, differences: bool
) -> None:
    """Hold the ledger against bills: saved answers of OpenAI's costs or usage API, of
    Anthropic's cost or usage reports, or CSV with date, provider, model, amount_usd.

    Per provider, day (UTC) and model: ours, theirs, the difference, and a name for
    what explains it.
    """  # noqa: D205 - click makes one paragraph of it
    lines = _read(files)
    days = _days(lines)
    only = {"provider": sorted({line.provider for line in lines})}
    with open_ledger(DataDir(data)) as ledger:
        cells = spend_rows(ledger, ("day", "provider", "model"), days, only=only)
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
    if not lines:
        raise ConfigurationError("there is no line on any of these bills")
    return lines


def _days(lines: Sequence[BillLine]) -> Stretch:
    first, last = min(line.day for line in lines), max(line.day for line in lines)
    return Stretch(_midnight(first), _midnight(last + timedelta(days=1)))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


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
