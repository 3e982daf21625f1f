"""Partial sums cross the topic exactly."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from taximeter_schemas.spend import (
    WINDOW_SECONDS,
    Partial,
    PartialRow,
    SpendAdvanced,
    spend_advanced_adapter,
    subject_key,
)
from taximeter_schemas.subjects import EVERYTHING, Subject


def test_partials_beyond_64_bits_stay_exact() -> None:
    """A sum larger than any JSON number that others can hold comes back unchanged."""
    partial = Partial(str(10**30 + 1), calls=3, unpriced_calls=1, tokens=5, offset=41)
    rows = (PartialRow("user", "alice", 1_795_348_800, partial),)
    sent = SpendAdvanced(source_partition=3, rows=rows)

    read = spend_advanced_adapter.validate_json(sent.model_dump_json())

    assert read == sent
    assert read.rows[0].partial.cost_pico == "1000000000000000000000000000001"


def test_rows_are_written_as_arrays() -> None:
    """A row takes no room for field names."""
    partial = Partial("7", calls=1, unpriced_calls=0, tokens=5, offset=0)
    rows = (PartialRow("all", "", 900, partial),)

    written = json.loads(SpendAdvanced(source_partition=0, rows=rows).model_dump_json())

    assert written["rows"] == [["all", "", 900, ["7", 1, 0, 5, 0]]]


def test_row_of_an_unknown_kind_is_refused() -> None:
    """Spend is kept for kinds of subject that are known."""
    row = ["planet", "mars", 900, ["7", 1, 0, 5, 0]]

    with pytest.raises(ValidationError, match="should match pattern"):
        SpendAdvanced.model_validate({"source_partition": 0, "rows": [row]})


def test_windows_fit_every_zones_midnight() -> None:
    """The grain is a quarter of an hour, and a day is a whole number of them."""
    assert WINDOW_SECONDS == 900
    assert 24 * 3600 % WINDOW_SECONDS == 0


def test_subjects_of_two_kinds_have_two_keys() -> None:
    """A user and a project of the same name are two subjects."""
    assert subject_key(Subject("user", "x")) != subject_key(Subject("project", "x"))
    assert subject_key(EVERYTHING) == b"all:"
