"""Rows as people and programs read them."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from rich.text import Text

from taximeter.cli.output import write_rows

ROWS: list[dict[str, object]] = [
    {
        "user": "alice",
        "cost_usd": Decimal("1.5E-10"),
        "at": datetime(2026, 1, 2, tzinfo=UTC),
        "id": UUID(int=7),
    },
    {"user": "bob, jr", "cost_usd": None, "at": None, "id": None},
]


def test_json_is_an_array_of_objects(capsys: pytest.CaptureFixture[str]) -> None:
    """Amounts are exact strings, times ISO, ids text, the unknown null."""
    write_rows(ROWS, "json")
    assert json.loads(capsys.readouterr().out) == [
        {
            "user": "alice",
            "cost_usd": "0.00000000015",
            "at": "2026-01-02T00:00:00+00:00",
            "id": "00000000-0000-0000-0000-000000000007",
        },
        {"user": "bob, jr", "cost_usd": None, "at": None, "id": None},
    ]


def test_csv_has_a_head_and_quotes(capsys: pytest.CaptureFixture[str]) -> None:
    """CSV begins with the names and quotes where it must."""
    write_rows(ROWS, "csv", columns=["user", "cost_usd"])
    out = capsys.readouterr().out
    assert out == 'user,cost_usd\nalice,0.00000000015\n"bob, jr",\n'


def test_a_pipe_gets_a_plain_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Columns are aligned, numbers to the right, with no colours or frames."""
    rows = [{"model": "a", "calls": 5}, {"model": "bcd", "calls": 12}]
    write_rows(rows, "table")
    assert capsys.readouterr().out == "model  calls\na          5\nbcd       12\n"


class Terminal(io.StringIO):
    """Takes what is meant for a person."""

    def isatty(self) -> bool:
        """Say that somebody looks."""
        return True

    def lines(self) -> list[str]:
        """Return what is seen, without colours."""
        return [Text.from_ansi(line).plain for line in self.getvalue().splitlines()]


def test_a_narrow_terminal_cuts_no_name_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has to type an id again finds all of it, over as many lines as needed."""
    monkeypatch.setenv("COLUMNS", "40")
    with redirect_stdout(Terminal()) as terminal:
        write_rows([{"budget": "x" * 30, "scope": "each user " * 9}], "table")

    lines = terminal.lines()
    assert sum(line.count("x") for line in lines[3:]) == 30
    assert max(map(len, lines)) <= 40


@pytest.mark.parametrize(("output", "empty"), [("json", "[]\n"), ("csv", "a\n")])
def test_no_rows(output: str, empty: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing to print is still valid output of its kind."""
    write_rows([], "json" if output == "json" else "csv", columns=["a"])
    assert capsys.readouterr().out == empty
