"""The rows of a log file, one at a time: CSV, lines of JSON, or one large JSON.

However large the file is, one row of it is in memory. A row that cannot be read is
handed on with its place and what is wrong, and the next one follows where there is one.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, NamedTuple

import ijson

from taximeter.ndjson import lines_of

__all__ = ["Entry", "Form", "read_entries", "results_of"]

_MAX_ROW_BYTES: Final = 64 * 1024 * 1024
_LINES: Final = frozenset({".jsonl", ".ndjson"})
_PEEKED: Final = 64 * 1024
_TIMES: Final = frozenset({"start_time", "end_time", "starting_at", "ending_at"})
_MARK: Final = b"\xef\xbb\xbf"
_NOT_JSON: Final = "is not JSON from here on, and what follows was not read"


class Entry(NamedTuple):
    """A row and where it stands; a `fault` where it could not be read."""

    place: str
    cells: Mapping[str, Any]
    fault: str = ""


Form = Literal["csv", "lines"]
"""What a file is whose name does not say it."""


def read_entries(
    path: Path, file: BinaryIO, form: Form | None = None
) -> Iterator[Entry]:
    """Yield every row of a file.

    What it is, its name says: `.csv`, `.jsonl` or `.ndjson`; anything else is JSON: an
    array, an answer of an API with its rows in `data`, a list of such answers, or, if
    its first line is an object of its own, lines.

    Args:
        path: what the file is called.
        file: the file itself, which can be sought in.
        form: what it is, whatever its name says.
    """
    suffix = path.suffix.lower()
    if form == "csv" or (form is None and suffix == ".csv"):
        return _csv_rows(file)
    if form == "lines" or suffix in _LINES or _looks_like_lines(file):
        return _json_lines(file)
    return _json_items(file)


def _csv_rows(file: BinaryIO) -> Iterator[Entry]:
    csv.field_size_limit(_MAX_ROW_BYTES)  # logs hold whole conversations
    # Not closed with the wrapper: the file is its owner's, who asks how far it is.
    text = io.TextIOWrapper(file, "utf-8-sig", errors="replace", newline="")
    reader = csv.DictReader(text, strict=True)
    try:
        yield from _csv_cells(reader)
    finally:
        text.detach()


def _csv_cells(reader: csv.DictReader[str]) -> Iterator[Entry]:
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            place = f"line {reader.reader.line_num}"
            yield Entry(place, {}, f"is no CSV: {error}")
            continue
        fault = _misshapen(cells)
        yield Entry(f"line {reader.line_num}", {} if fault else cells, fault)


def _misshapen(cells: Mapping[Any, Any]) -> str:
    if None in cells:
        return "has more cells than the head line"
    if any(cell is None for cell in cells.values()):
        return "has fewer cells than the head line"
    return ""


def _json_lines(file: BinaryIO) -> Iterator[Entry]:
    for number, line in lines_of(file, _MAX_ROW_BYTES):
        place = f"line {number}"
        if line is None:
            yield Entry(place, {}, f"has over {_MAX_ROW_BYTES} bytes")
            continue
        try:
            value = json.loads(line, parse_float=Decimal)
        except ValueError as error:
            yield Entry(place, {}, f"is not JSON: {error}")
            continue
        yield _object(place, value)


def _json_items(file: BinaryIO) -> Iterator[Entry]:
    start = _first_byte(file)
    prefix = "item" if start == b"[" else "data.item"
    number = 0
    try:
        for value in ijson.items(file, prefix, use_float=False):
            for row in _unpaged(value):
                number += 1
                yield _object(f"item {number}", row)
    except (ijson.JSONError, ValueError) as error:
        yield Entry(f"item {number + 1}", {}, f"{_NOT_JSON}: {error}")
        return
    if number == 0 and start != b"[" and not _has_data(file):
        yield Entry("item 1", {}, "is neither a JSON array nor an object with `data`")


def _unpaged(value: object) -> list[Any]:
    """Return the rows of a page in a list of pages, or the row that it is itself."""
    if isinstance(value, Mapping) and "results" not in value:
        rows = value.get("data")
        if isinstance(rows, list) and ("has_more" in value or "meta" in value):
            return rows
    return [value]


def results_of(entry: Entry) -> Iterator[Entry]:
    """Yield the results in a bucket of a usage report, each with the bucket's times."""
    results = entry.cells.get("results")
    if entry.fault or not isinstance(results, list):
        fault = entry.fault or "has no `results`: save the whole answer of the API"
        yield entry._replace(cells={}, fault=fault)
        return
    times = {name: cell for name, cell in entry.cells.items() if name in _TIMES}
    for number, result in enumerate(results, 1):
        told = _object(f"{entry.place}, result {number}", result)
        yield told._replace(cells={**told.cells, **times}) if not told.fault else told


def _object(place: str, value: object) -> Entry:
    if isinstance(value, Mapping):
        return Entry(place, value)
    return Entry(place, {}, "is no JSON object")


def _has_data(file: BinaryIO) -> bool:
    file.seek(0)
    told = ijson.parse(file)
    return any(at == "data" and event == "start_array" for at, event, _ in told)


def _first_byte(file: BinaryIO) -> bytes:
    """Return the first byte that says anything; the file stands before it."""
    start = file.read(_PEEKED)
    marked = len(_MARK) if start.startswith(_MARK) else 0
    file.seek(marked)
    return start[marked:].lstrip()[:1]


def _looks_like_lines(file: BinaryIO) -> bool:
    first = file.readline(_PEEKED)
    more = bool(file.read(1))
    file.seek(0)
    try:
        value = json.loads(first)
    except ValueError:
        return False
    return isinstance(value, dict) and (more or not isinstance(value.get("data"), list))
