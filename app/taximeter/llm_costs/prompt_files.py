"""Prompts in a file: a column of CSV or of JSON lines, or a line each."""

from __future__ import annotations

import csv
import json
from pathlib import PurePath
from typing import Final, TextIO

from taximeter_schemas.errors import ConfigurationError

__all__ = ["prompts_in"]

_COLUMN: Final = "prompt"


def prompts_in(file: TextIO) -> list[str] | None:
    """Return the prompts of a file; None, and the file unread, if it has other columns.

    Raises:
        ConfigurationError: it cannot be read, or has no prompt.
    """
    kind = PurePath(file.name).suffix
    text = file.read()
    file.seek(0)
    try:
        if kind == ".csv":
            prompts = _of_csv(text)
        elif kind in {".jsonl", ".ndjson"}:
            prompts = _of_json(text)
        else:
            prompts = [line for line in text.splitlines() if line.strip()]
    except (csv.Error, ValueError, AttributeError) as error:
        raise ConfigurationError(f"{file.name}: {error}") from None
    if prompts == []:
        raise ConfigurationError(f"{file.name} has no prompts")
    return prompts


def _of_csv(text: str) -> list[str] | None:
    rows = csv.DictReader(text.splitlines(), strict=True)
    if _COLUMN not in (rows.fieldnames or ()):
        return None
    return [row[_COLUMN] for row in rows if row[_COLUMN]]


def _of_json(text: str) -> list[str] | None:
    rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    if not all(_COLUMN in row for row in rows):
        return None
    return [str(row[_COLUMN]) for row in rows]
