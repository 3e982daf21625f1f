"""Writing an export: whole or not at all, in the form that is asked for."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from taximeter.reports.exports.document import write_document
from taximeter.reports.exports.focus import COLUMNS as FOCUS_COLUMNS
from taximeter.reports.exports.focus import focus_rows
from taximeter.reports.exports.focus_rules import broken_rules
from taximeter.reports.exports.picture import write_picture
from taximeter.reports.exports.summary import period_words, summary
from taximeter.reports.exports.workbook import write_workbook
from taximeter.reports.figures import FIGURES, figure_rows, with_shares
from taximeter.spend_report import LIST_SUMS, SUMS, Stretch
from taximeter_processors.pricing import PriceBook
from taximeter_schemas.errors import ConfigurationError
from taximeter_sinks.billed_days import BILLED, UNITS, billed_days_query
from taximeter_sinks.dimensions import Only, chosen
from taximeter_sinks.queries import Ledger
from taximeter_sinks.table_files import arrow_table, write_csv, write_parquet

__all__ = ["FORMATS", "Wanted", "export", "format_of"]

FORMATS: Final = ("csv", "xlsx", "pdf", "json", "parquet", "svg", "focus")
_TABLES: Final = ("csv", "json", "parquet")
_AMOUNTS: Final = ("cost_usd", "charged_usd")

Jsonable = Callable[[object], object]


class Wanted(NamedTuple):
    """What is exported: spend by some dimensions, or each call without any."""

    form: str
    by: Sequence[str]
    stretch: Stretch
    only: Only
    account: str


def format_of(path: Path, given: str | None) -> str:
    """Return the form of a file: as given, or as its name ends.

    Raises:
        ConfigurationError: neither says one.

    >>> format_of(Path("november.xlsx"), None), format_of(Path("f.csv"), "focus")
    ('xlsx', 'focus')
    """
    form = given or path.suffix.removeprefix(".").lower()
    if form not in FORMATS:
        known = ", ".join(FORMATS)
        raise ConfigurationError(
            f"give --format, one of {known}: {path.name} says none"
        )
    return form


def export(
    ledger: Ledger,
    wanted: Wanted,
    path: Path,
    now: datetime,
    book: Callable[[], PriceBook],
    jsonable: Jsonable,
) -> int | None:
    """Write a file; return how many rows it has, None if it is a report.

    Args:
        ledger: what is exported.
        wanted: what of it.
        path: the file; one of that name is replaced once the new one is whole.
        now: the present.
        book: gives the prices by which FOCUS tells token classes apart.
        jsonable: says what stands for a value in JSON.

    Raises:
        ConfigurationError: a library for it is not installed.
    """
    with _whole(path) as unfinished:
        if wanted.form in {"xlsx", "pdf"}:
            write = write_workbook if wanted.form == "xlsx" else write_document
            write(unfinished, summary(ledger, wanted.stretch, wanted.only, now))
            return None
        if wanted.form == "focus":
            rows = _focus(ledger, wanted, book())
            return _write_table(
                unfinished, _ending(path), rows, FOCUS_COLUMNS, jsonable
            )
        if wanted.form == "svg":
            _draw(unfinished, wanted, _by(ledger, wanted))
            return None
        if wanted.by:
            columns = (*wanted.by, *SUMS, *FIGURES, *LIST_SUMS)
            by = _by(ledger, wanted)
            return _write_table(unfinished, wanted.form, by, columns, jsonable)
        return _write_calls(unfinished, wanted, ledger, jsonable)


def _draw(path: Path, wanted: Wanted, rows: list[dict[str, object]]) -> None:
    if len(wanted.by) != 1:
        raise ConfigurationError("a picture is by one dimension: give --by day, say")
    title = f"LLM spend by {wanted.by[0]}, USD, {period_words(wanted.stretch)}"
    write_picture(path, title, wanted.by[0], rows)


def _by(ledger: Ledger, wanted: Wanted) -> list[dict[str, object]]:
    (total,) = figure_rows(ledger, (), wanted.stretch, only=wanted.only)
    rows = figure_rows(ledger, wanted.by, wanted.stretch, only=wanted.only)
    return with_shares(rows, total)


def _focus(ledger: Ledger, wanted: Wanted, book: PriceBook) -> list[dict[str, object]]:
    stretch = wanted.stretch
    query = billed_days_query(stretch.start, stretch.end, wanted.only)
    names = (*BILLED, *UNITS)
    billed = [dict(zip(names, row, strict=True)) for row in ledger.sql(query).rows]
    rows = list(focus_rows(billed, book, wanted.account))
    for row in rows:
        for broken in broken_rules(row):
            words = f"a row is no valid FOCUS: {broken} ({row['SkuId']})"
            raise ConfigurationError(words)
    return rows


def _write_calls(path: Path, wanted: Wanted, ledger: Ledger, jsonable: Jsonable) -> int:
    where = chosen(wanted.stretch.start, wanted.stretch.end, wanted.only)
    # Tags as JSON: neither CSV nor a spreadsheet knows maps.
    texts = "to_json(tags)::VARCHAR AS tags, event_id::VARCHAR AS event_id"
    if wanted.form == "csv":
        texts += "".join(f", {name}::VARCHAR AS {name}" for name in _AMOUNTS)
    table = ledger.arrow(
        f"SELECT * REPLACE ({texts}) FROM calls {where} ORDER BY occurred_at, event_id"  # noqa: S608
    )
    if wanted.form == "json":
        _write_json(path, table.to_pylist(), jsonable)
    else:
        (write_csv if wanted.form == "csv" else write_parquet)(path, table)
    return int(table.num_rows)


def _write_table(
    path: Path,
    form: str,
    rows: list[dict[str, object]],
    columns: Sequence[str],
    jsonable: Jsonable,
) -> int:
    if form == "json":
        _write_json(path, rows, jsonable)
    elif form == "parquet":
        write_parquet(path, arrow_table(rows, columns))
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows([_cell(row[n], jsonable) for n in columns] for row in rows)
    return len(rows)


def _cell(value: object, jsonable: Jsonable) -> object:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return value if value is None or isinstance(value, str | int) else jsonable(value)


def _write_json(path: Path, rows: object, jsonable: Jsonable) -> None:
    text = json.dumps(rows, default=jsonable, ensure_ascii=False, indent=1)
    path.write_text(text + "\n", "utf-8")


def _ending(path: Path) -> str:
    """Return the table's form that a file's name says: CSV, if it says none."""
    ending = path.suffix.removeprefix(".").lower()
    return ending if ending in _TABLES else "csv"


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """Give a name beside the file, which takes its place when all is written."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
