"""Charge records become columns without losing a digit or a row."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from taximeter_schemas.usage import Usage, UsageRecorded
from taximeter_sinks.decode import CHARGES_SCHEMA, RawRecord, decode_charges
from tests.builders import NOON, a_usage
from tests.unit.sinks.charge_builders import (
    a_charge,
    an_adjustment,
    charges_record,
    charges_value,
)

EXACT = "12345678901234567890123456.123456789012"


def test_every_field_of_a_call_has_its_column() -> None:
    """What an event can say stands in the ledger under its own name."""
    elsewhere = {"event_type", "schema_version", "usage"}
    said = (set(UsageRecorded.model_fields) - elsewhere) | set(Usage.model_fields)
    assert said <= set(CHARGES_SCHEMA.names)


def test_money_is_exact_to_the_last_digit() -> None:
    """Thirty-eight digits arrive as they were sent, and so does an exponent."""
    tiny = charges_record([a_charge(offset=1, cost_usd="1.5E-7")], 1)
    table = decode_charges([charges_record([a_charge(cost_usd=EXACT)]), tiny]).table
    assert table["cost_usd"].to_pylist() == [Decimal(EXACT), Decimal("0.00000015")]


def test_an_unpriced_charge_has_no_cost() -> None:
    """Unpriced is NULL with a reason, never 0."""
    (row,) = decode_charges(
        [charges_record([a_charge(cost_usd=None)])]
    ).table.to_pylist()
    assert (row["cost_usd"], row["unpriced_reason"]) == (None, "unknown_model")


def test_defaults_that_were_left_out_are_filled_in() -> None:
    """An event that says only what it must reads as its schema has it."""
    (row,) = decode_charges([charges_record([a_charge()])]).table.to_pylist()
    schema = a_charge().recorded
    for name in ("operation", "service_tier", "status", "usage_source", "session_id"):
        assert row[name] == getattr(schema, name)
    assert row["image_count"] == 0
    assert row["audio_seconds"] == 0
    assert row["tags"] == []


def test_tags_stay_with_their_call() -> None:
    """Calls with many, no and one tag each keep their own."""
    tags = [{"team": "growth", "env": "prod"}, {}, {"env": "dev"}]
    charges = [
        a_charge(position=i, recorded=a_usage(tags=each)) for i, each in enumerate(tags)
    ]
    table = decode_charges([charges_record(charges)]).table
    assert [dict(pairs) for pairs in table["tags"].to_pylist()] == tags


@pytest.mark.parametrize("hours", [-11, 0, 5.5, 14])
def test_moments_of_any_zone_are_the_same_in_utc(hours: float) -> None:
    """The zone of `occurred_at` changes how it is written, not when it was."""
    zone = timezone(timedelta(hours=hours))
    call = a_usage(occurred_at=NOON.astimezone(zone))
    table = decode_charges([charges_record([a_charge(recorded=call)])]).table
    assert table["occurred_at"].to_pylist() == [NOON]


def test_moments_keep_their_microseconds() -> None:
    """A moment with microseconds beside one without loses none."""
    exact = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)
    calls = [a_usage(occurred_at=NOON), a_usage(occurred_at=exact)]
    charges = [a_charge(position=i, recorded=call) for i, call in enumerate(calls)]
    table = decode_charges([charges_record(charges)]).table
    assert table["occurred_at"].to_pylist() == [NOON, exact]


def test_an_adjustment_has_the_difference_as_its_usage() -> None:
    """New minus old, negative where there was too much, beside an ordinary charge."""
    adjustment = an_adjustment(
        Usage(text_output_tokens=10, image_count=3, audio_seconds=Decimal("1.5")),
        Usage(text_output_tokens=25, image_count=1, audio_seconds=Decimal("1.25")),
        "-0.000000000001",
    )
    records = [charges_record([a_charge()]), charges_record([adjustment], 1)]
    charge, row = decode_charges(records).table.to_pylist()
    assert (charge["kind"], charge["adjusts"]) == ("charge", None)
    assert (row["kind"], row["adjusts"]) == ("adjustment", str(adjustment.adjusts))
    assert row["adjust_reason"] == "stream completed"
    assert (row["text_output_tokens"], row["image_count"]) == (15, -2)
    assert row["audio_seconds"] == Decimal("-0.25")
    assert row["cost_usd"] == Decimal("-0.000000000001")


@pytest.mark.parametrize(
    "value",
    [
        b"not json",
        b'{"an": "object"}',
        b"[1]",
        None,
        charges_value([a_charge(cost_usd="1")]).replace(b'"cost_usd"', b'"costs_usd"'),
        charges_value([a_charge(cost_usd="1")]).replace(b'"1"', b'"much"'),
        charges_value([a_charge(cost_usd="1")]).replace(b'"1"', b'"0.0000000000001"'),
        charges_value([a_charge(offset=9)]),
    ],
)
def test_a_record_that_cannot_be_read_does_not_take_others_along(
    value: bytes | None,
) -> None:
    """It comes back with its reason, and its neighbours are rows."""
    bad = RawRecord("taximeter.charges", 0, 1, b"0:1", value)
    good = [charges_record([a_charge(offset=n)], n) for n in (0, 2)]
    decoded = decode_charges([good[0], bad, good[1]])
    assert decoded.table["source_offset"].to_pylist() == [0, 2]
    (undecodable,) = decoded.undecodable
    assert undecodable.record == bad
    assert undecodable.reason


def test_nothing_decodes_to_no_rows() -> None:
    """No records, and a record without charges, are an empty table."""
    empty = RawRecord("taximeter.charges", 0, 0, b"0:0", json.dumps([]).encode())
    assert decode_charges([]).table.num_rows == 0
    assert decode_charges([empty]).table.num_rows == 0
    assert decode_charges([empty]).undecodable == []
