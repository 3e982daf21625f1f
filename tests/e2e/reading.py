"""Running commands in this process: a new one takes a second to start."""

from __future__ import annotations

import csv
import io
import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any

import pytest

from taximeter.cli import main

__all__ = ["Done", "answer", "json_of", "rows_of", "run"]


@dataclass(frozen=True)
class Done:
    """What a command printed, and how it ended."""

    returncode: int
    stdout: str
    stderr: str


def run(*arguments: object) -> Done:
    """Run a command, whatever comes of it."""
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    out.seek(0)
    return Done(int(end.value.code or 0), out.read(), err.getvalue())


def answer(*arguments: object) -> str:
    """Return what a command prints that ends well."""
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def json_of(*arguments: object) -> Any:  # noqa: ANN401 - whatever it is
    """Return what a command prints as JSON."""
    return json.loads(answer(*arguments, "--format", "json"))


def rows_of(*arguments: object) -> list[dict[str, str]]:
    """Return what a command prints as CSV."""
    return list(csv.DictReader(io.StringIO(answer(*arguments, "--format", "csv"))))
