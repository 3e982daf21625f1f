"""Estimates in bulk: what calls are thought of, from CSV or JSON lines."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from typing import Final, TextIO

from pydantic import ValidationError

from taximeter.estimates import Asked
from taximeter_schemas.errors import ConfigurationError

__all__ = ["read_asked"]

_NUMBERS: Final = ("input_tokens", "max_output_tokens", "calls")


def read_asked(file: TextIO, name: str) -> list[Asked]:
    """Read one `Asked` a line, all of them or none.

    Args:
        file: CSV with a head line if its name ends in ".csv", else JSON lines.
        name: what errors call it.

    Raises:
        ConfigurationError: naming the line, and what is wrong in it.
    """
    rows = _csv_rows(file, name) if name.endswith(".csv") else _json_rows(file, name)
    asked = [_asked(row, f"{name}, line {number}") for number, row in rows]
    if not asked:
        raise ConfigurationError(f"{name} holds no calls to estimate")
    return asked


def _csv_rows(file: TextIO, name: str) -> Iterator[tuple[int, object]]:
    reader = csv.DictReader(file, strict=True)
    try:
        for row in reader:
            said = {key: text for key, text in row.items() if text}
            yield reader.line_num, {key: _number(key, said[key]) for key in said}
    except csv.Error as error:
        raise ConfigurationError(f"{name}, line {reader.line_num}: {error}") from None


def _number(key: str, text: str) -> object:
    return int(text) if key in _NUMBERS and text.strip().isdecimal() else text


def _json_rows(file: Iterable[str], name: str) -> Iterator[tuple[int, object]]:
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            yield number, json.loads(line)
        except ValueError as error:
            raise ConfigurationError(f"{name}, line {number}: {error}") from None


def _asked(row: object, place: str) -> Asked:
    try:
        return Asked.model_validate(row)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise ConfigurationError(
            f"{place}: {field + ': ' if field else ''}{first['msg']}"
        ) from None
