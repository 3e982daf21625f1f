"""Files are read row by row, whatever is wrong with one of them."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from pathlib import Path

import pytest

from taximeter.imports.entries import Entry, Form
from taximeter.imports.files import Files


def _entries(path: Path, content: bytes, form: Form | None = None) -> list[Entry]:
    path.write_bytes(content)
    return [
        entry._replace(place=entry.place.removeprefix(f"{path}, "))
        for entry in Files([path], form).entries()
    ]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", b'[{"n": 1}, {"n": 2}]'),
        ("a.json", b'\xef\xbb\xbf [{"n": 1},\n {"n": 2}]'),
        ("a.json", b'{"object": "page", "data": [{"n": 1}, {"n": 2}]}'),
        ("a.json", b'[{"data": [{"n": 1}], "has_more": true}, {"data": [{"n": 2}], '
                   b'"has_more": false}]'),
        ("a.json", b'{"n": 1}\n{"n": 2}\n'),
        ("a.jsonl", b'{"n": 1}\n\n{"n": 2}'),
        ("a.ndjson", b'{"n": 1}\r\n{"n": 2}\r\n'),
        ("a.json.gz", gzip.compress(mtime=0, data=b'[{"n": 1}, {"n": 2}]')),
    ],
)  # fmt: skip
def test_rows_are_found_in_every_kind_of_json(
    name: str, content: bytes, tmp_path: Path
) -> None:
    """Arrays, answers of APIs, lists of those, and lines have the same rows."""
    rows = _entries(tmp_path / name, content)
    assert [row.cells for row in rows] == [{"n": 1}, {"n": 2}]


@pytest.mark.parametrize(
    ("name", "content", "good", "fault"),
    [
        ("a.csv", b"a,b\n1,2\n3\n4,5\n", 2, "line 3: has fewer cells"),
        ("a.csv", b"a,b\n1,2\n3,4,5\n4,5\n", 2, "line 3: has more cells"),
        ("a.csv", b'a,b\n1,2\n"x"y,2\n4,5\n', 2, "line 3: is no CSV"),
        ("a.jsonl", b'{"a": 1}\n{oops\n{"a": 2}\n', 2, "line 2: is not JSON"),
        ("a.jsonl", b'{"a": 1}\n[7]\n{"a": 2}\n', 2, "line 2: is no JSON object"),
        ("a.json", b'[{"a": 1}, 7, {"a": 2}]', 2, "item 2: is no JSON object"),
        ("a.json", b'[{"a": 1}, {"a": oops}]', 1, "item 2: is not JSON from here on"),
        ("a.json", b'[{"a": 1}, {"a": 2}', 2, "item 3: is not JSON from here on"),
        ("a.json", b'{"rows":\n []}', 0, "item 1: is neither a JSON array nor"),
        ("a.json", b"\x00\x01", 0, "item 1: is not JSON from here on"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(
    name: str, content: bytes, good: int, fault: str, tmp_path: Path
) -> None:
    """The rows around it are read, as far as there is a way to find them."""
    rows = _entries(tmp_path / name, content)
    assert sum(not row.fault for row in rows) == good
    (wrong,) = [f"{row.place}: {row.fault}" for row in rows if row.fault]
    assert wrong.startswith(fault)


def test_an_empty_answer_has_no_rows(tmp_path: Path) -> None:
    """No rows are no fault."""
    assert _entries(tmp_path / "a.json", b'{"data": []}') == []
    assert _entries(tmp_path / "b.json", b"[]") == []
    assert _entries(tmp_path / "c.csv", b"a,b\n") == []


@pytest.mark.parametrize("form", ["array", "lines", "csv"])
def test_a_large_file_is_never_in_memory(form: str, tmp_path: Path) -> None:
    """However many rows a file has, only one of them is in memory."""
    path, rows = tmp_path / f"log.{'csv' if form == 'csv' else 'json'}", 4_000
    filler = "x" * 5_000
    row = json.dumps({"a": filler, "n": 1})
    with path.open("w") as file:
        if form == "csv":
            file.write("a,n\n" + f"{filler},1\n" * rows)
        elif form == "lines":
            file.write(f"{row}\n" * rows)
        else:
            file.write("[" + ",\n".join([row] * rows) + "]")
    files = Files([path])
    tracemalloc.start()
    count = sum(1 for _ in files.entries())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == rows
    assert files.done == files.total > 20_000_000
    assert peak < 2_000_000
