"""Charge records become columns without losing a digit or a row."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from taximeter_schemas.usage import Usage, UsageRecorded
from taximeter_sinks.decode import CHARGES_SCHEMA, RawRecord, decode_charges
from tests.builders import NOON, a_repricing, a_usage
from tests.unit.sinks.charge_builders import (
    a_charge,
    a_repriced_charge,
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


def test_what_the_list_says_is_what_is_charged_unless_it_is_stated() -> None:
    """Left out it is the same amount; null says that the list has no price."""
    charges = [
        a_charge(position=0),
        a_charge(position=1, list_cost_usd=Decimal("0.005")),
        a_charge(position=2, list_cost_usd=None),
        a_charge(position=3, cost_usd=None, list_cost_usd=Decimal("0.005")),
        a_charge(position=4, cost_usd=None),
    ]
    table = decode_charges([charges_record(charges)]).table
    charged, listed = Decimal("0.006"), Decimal("0.005")
    assert table["list_cost_usd"].to_pylist() == [charged, listed, None, listed, None]
    assert table["cost_usd"].to_pylist() == [charged, charged, charged, None, None]


def test_defaults_that_were_left_out_are_filled_in() -> None:
    """An event that says only what it must reads as its schema has it."""
    (row,) = decode_charges([charges_record([a_charge()])]).table.to_pylist()
    schema = a_charge().recorded
    for name in ("operation", "service_tier", "status", "usage_source", "session_id"):
        assert row[name] == getattr(schema, name)
    assert row["image_count"] == 0
    assert row["audio_seconds"] == 0
    assert row["tags"] == []


def test_what_was_chosen_has_columns() -> None:
    """Sizes, qualities, resolutions, contexts and results, and NULL where unsaid."""
    chosen = {
        "image_size": "2K",
        "image_quality": "hd",
        "video_resolution": "4k",
        "search_context_size": "low",
        "max_results": 50,
    }
    charges = [a_charge(0, 0, 0, "1", a_usage(**chosen)), a_charge(0, 0, 1)]
    first, second = decode_charges([charges_record(charges)]).table.to_pylist()
    assert {name: first[name] for name in chosen} == chosen
    assert {second[name] for name in chosen} == {None}


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


def in_the_callers_notation(**said: object) -> RawRecord:
    """Return a record whose event is written as no emitter of ours would."""
    (charge,) = json.loads(charges_value([a_charge(offset=1)]))
    charge["recorded"] |= said
    return RawRecord("taximeter.charges", 0, 1, b"0:1", json.dumps([charge]).encode())


@pytest.mark.parametrize(
    "said",
    [
        1795350896,
        1795350896.5,
        1795350896000,
        "1795350896",
        "2026-11-22t12:34:56z",
        "2026-11-22_12:34:56Z",
        "2026-11-22T12:34:56,25Z",
        "2026-11-22T12:34:56.123456789Z",
        "2026-11-22T12:34Z",
        "2026-11-22 18:04:56+0530",
        "2026-11-22T07:04:56\u221205:30",
    ],
)
def test_a_moment_is_read_however_the_schema_lets_it_be_written(said: object) -> None:
    """What the workers took is a row, at the moment that they understood."""
    event = a_usage().model_dump(mode="json", exclude_unset=True)
    meant = UsageRecorded.model_validate_json(json.dumps(event | {"occurred_at": said}))
    other = charges_record([a_charge()])
    decoded = decode_charges([other, in_the_callers_notation(occurred_at=said)])
    assert decoded.undecodable == []
    assert decoded.table["occurred_at"].to_pylist() == [NOON, meant.occurred_at]


@pytest.mark.parametrize(
    ("said", "cost"),
    [(0.25, "0.25"), (3, "3"), (" 1_0 ", "10"), ("1e-7", "0.0000001")],
)
def test_an_amount_is_read_however_the_schema_lets_it_be_written(
    said: object, cost: str
) -> None:
    """A number is an amount as well as text is."""
    table = decode_charges([in_the_callers_notation(provider_cost_usd=said)]).table
    assert table["provider_cost_usd"].to_pylist() == [Decimal(cost)]


@pytest.mark.parametrize("form", ["{%s}", "urn:uuid:%s"])
def test_an_id_is_read_however_the_schema_lets_it_be_written(form: str) -> None:
    """The ledger gets the form that it knows."""
    event_id = str(a_charge(offset=1).recorded.event_id)
    record = in_the_callers_notation(event_id=form % event_id)
    assert decode_charges([record]).table["event_id"].to_pylist() == [event_id]


@pytest.mark.parametrize(
    "said", [{"event_id": "x" * 36}, {"provider": None}, {"occurred_at": "2026-11-22"}]
)
def test_what_the_ledger_would_refuse_is_found_before(said: dict[str, object]) -> None:
    """A row that cannot be inserted would hold up all rows for ever."""
    decoded = decode_charges([in_the_callers_notation(**said)])
    assert (decoded.table.num_rows, len(decoded.undecodable)) == (0, 1)


def test_events_of_many_shapes_stand_beside_each_other() -> None:
    """Each call has what it said, whatever its neighbours leave out."""
    calls = [
        a_usage(region="eu", usage=Usage(image_count=2)),
        a_usage(usage=Usage(text_output_tokens=7), duration_ms=5),
        a_usage(usage=Usage(audio_seconds=Decimal("1.5")), region="us"),
    ]
    charges = [a_charge(position=i, recorded=call) for i, call in enumerate(calls)]
    table = decode_charges([charges_record(charges)]).table
    assert table["region"].to_pylist() == ["eu", None, "us"]
    assert table["image_count"].to_pylist() == [2, 0, 0]
    assert table["text_output_tokens"].to_pylist() == [0, 7, 0]
    assert table["audio_seconds"].to_pylist() == [0, 0, Decimal("1.5")]
    assert table["duration_ms"].to_pylist() == [None, 5, None]


@pytest.mark.parametrize("said", [{}, {"occurred_at": NOON.timestamp()}])
def test_a_repricing_has_its_columns(said: dict[str, object]) -> None:
    """Used nothing, cost the difference, and says what it took the place of."""
    event = a_repricing(status="error", tags={"team": "growth"})
    value = json.loads(charges_value([a_repriced_charge(event)]))
    value[0]["repriced"] |= said
    records = [
        charges_record([a_charge(offset=1)]),
        RawRecord("charges", 0, 1, b"0:2", json.dumps(value).encode()),
    ]
    decoded = decode_charges(records)
    assert not decoded.undecodable
    priced, row = decoded.table.to_pylist()
    assert row["kind"] == "adjustment"
    assert (row["cost_usd"], row["price_version"]) == (Decimal("0.003"), "prices-2")
    assert (row["old_price_version"], row["adjusted_by"]) == ("prices-1", "grace")
    assert (row["old_unpriced_reason"], row["unpriced_reason"]) == (
        "unknown_model",
        None,
    )
    assert (row["adjust_reason"], row["adjusts"]) == (
        "re-pricing",
        str(event.reprices),
    )
    assert (row["user_id"], row["status"]) == ("alice", "error")
    assert row["tags"] == [("team", "growth")]
    assert not any(row[name] for name in Usage.model_fields)
    for name in ("old_price_version", "old_unpriced_reason", "adjusted_by"):
        assert priced[name] is None


def test_many_records_are_one_table_in_their_order() -> None:
    """However large the records are, and wherever a bad one stands among them."""
    tags = {f"tag-{n}": "x" * 250 for n in range(32)}
    large = a_usage(tags=tags)
    records = [
        charges_record([a_charge(offset=n, recorded=large)], n) for n in range(120)
    ]
    records[60] = records[60]._replace(value=b"not json")
    decoded = decode_charges(records)
    offsets = [n for n in range(120) if n != 60]
    assert decoded.table["source_offset"].to_pylist() == offsets
    assert [bad.record for bad in decoded.undecodable] == [records[60]]


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
