"""What stands in a record is read, or kept as a fault in its place."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from taximeter_schemas.dead_letters import DeadLetter
from taximeter_schemas.records import (
    Fault,
    Origin,
    dead_letter,
    encode_event,
    packed,
    read_record,
)
from taximeter_schemas.usage import ChargedEvent, UsageCorrected, UsageRecorded
from tests.builders import NOON, a_usage, an_id

GOOD = a_usage(event_id=an_id("good"))
ORIGIN = Origin("taximeter.usage", partition=2, offset=77)


def _json(**fields: object) -> bytes:
    """Return the good event as a foreign producer might write it, with these fields."""
    written: dict[str, Any] = json.loads(encode_event(GOOD))
    return json.dumps(written | fields).encode()


def _with_raw(field: str, raw: str) -> bytes:
    """Return the good event with one more field of this raw JSON text."""
    return encode_event(GOOD)[:-1] + f',"{field}":{raw}}}'.encode()


def _only(value: bytes | None) -> ChargedEvent | Fault:
    (reading,) = read_record(value, NOON)
    return reading


def _fault(value: bytes | None) -> Fault:
    reading = _only(value)
    assert isinstance(reading, Fault)
    return reading


NOT_JSON = {
    "a broken line": b'{"event_id": "0199f3c2',
    "nothing": b"",
    "spaces": b"  ",
    "words": b"hello",
    "not UTF-8": b'{"model": "\xff"}',
    "a byte order mark": b"\xef\xbb\xbf" + encode_event(GOOD),
    "two events without an array": encode_event(GOOD) * 2,
    "a thousand arrays in each other": b"[" * 1000 + b"]" * 1000,
    "the same behind an escape": b'["\\ud800",' + b"[" * 9999 + b"]" * 9999 + b"]",
    "a number of 6,000 digits": _with_raw("duration_ms", "9" * 6000),
}


@pytest.mark.parametrize("value", NOT_JSON.values(), ids=NOT_JSON)
def test_what_is_not_json_is_a_fault_as_a_whole(value: bytes) -> None:
    """A record that is not JSON is kept with its very bytes and the reason."""
    fault = _fault(value)

    assert fault.reason == "not_json"
    assert fault.payload == value
    assert fault.detail


def test_record_without_value_is_a_fault() -> None:
    """A tombstone on the usage topic is no event."""
    assert _fault(None) == _fault(b"")


@pytest.mark.parametrize("value", [b"null", b"7", b'"text"', b"true", b"[[]]"])
def test_json_that_is_no_object_is_not_an_event(value: bytes) -> None:
    """JSON that could never be an event says so."""
    assert _fault(value).reason == "not_an_event"


def test_empty_array_holds_nothing() -> None:
    """A packed record of no events has no events and no faults."""
    assert list(read_record(b"[]", NOON)) == []
    assert list(read_record(b" [ ] ", NOON)) == []


def _tokens(count: object) -> bytes:
    return _json(usage={"text_input_tokens": count})


INVALID = {
    "an unknown field": (_json(usr_id="alice"), "usr_id"),
    "an unknown bucket": (_json(usage={"input_tokens": 1}), "usage.input_tokens"),
    "a negative count": (_tokens(-1), "usage.text_input_tokens"),
    "a fraction of a token": (_tokens(1.5), "usage.text_input_tokens"),
    "a count as a float": (_tokens(1.0), "usage.text_input_tokens"),
    "a count as text": (_tokens("1"), "usage.text_input_tokens"),
    "a count as a truth": (_tokens(True), "usage.text_input_tokens"),
    "a count of nothing": (_tokens(None), "usage.text_input_tokens"),
    "a huge count": (_tokens(10**12 + 1), "usage.text_input_tokens"),
    "a count beyond 64 bits": (_tokens(10**40), "usage.text_input_tokens"),
    "no zone": (_json(occurred_at="2026-11-22T12:00:00"), "occurred_at"),
    "a date alone": (_json(occurred_at="2026-11-22"), "occurred_at"),
    "before 2000": (_json(occurred_at="1999-12-31T23:59:59Z"), "occurred_at"),
    "after 2200": (_json(occurred_at="9999-12-31T23:59:59-23:59"), "occurred_at"),
    "an id that is none": (_json(event_id="42"), "event_id"),
    "an empty model": (_json(model=""), "model"),
    "a long user": (_json(user_id="u" * 257), "user_id"),
    "a user as number": (_json(user_id=7), "user_id"),
    "33 tags": (_json(tags={f"t{n}": "x" for n in range(33)}), "tags"),
    "a tag as number": (_json(tags={"team": 7}), "tags.team"),
    "NaN dollars": (_with_raw("provider_cost_usd", "NaN"), "provider_cost_usd"),
    "infinite dollars": (_with_raw("provider_cost_usd", "1e999"), "provider_cost_usd"),
    "infinite seconds": (
        _with_raw("usage", '{"audio_seconds":Infinity}'),
        "usage.audio_seconds",
    ),
    "a tenth of a pico-dollar": (
        _json(provider_cost_usd="0.0000000000001"),
        "provider_cost_usd",
    ),
    "a lone surrogate": (_with_raw("session_id", r'"\ud800"'), "event"),
    "another type": (_json(event_type="UsageGuessed"), "event_type"),
    "two megabytes": (_json(user_id="u" * 2_000_000), "user_id"),
    "a name of two megabytes": (_json(**{"u" * 2_000_000: 1}), "uuuu"),
}


@pytest.mark.parametrize(("value", "field"), INVALID.values(), ids=INVALID)
def test_invalid_event_says_which_field_and_why(value: bytes, field: str) -> None:
    """An event that breaks a rule is kept, with the field that is wrong."""
    fault = _fault(value)

    assert fault.reason == "invalid_event"
    assert fault.detail.startswith(field)
    assert len(fault.detail) < 1000
    assert fault.payload == value


@pytest.mark.parametrize("missing", ["event_id", "occurred_at", "provider", "model"])
def test_required_field_that_is_missing_is_named(missing: str) -> None:
    """An event without what it must say is kept, with the name of what is missing."""
    fields: dict[str, Any] = json.loads(encode_event(GOOD))
    del fields[missing]

    assert _fault(json.dumps(fields).encode()).detail == f"{missing}: Field required"


def test_many_faults_are_told_in_short() -> None:
    """An event that is wrong everywhere is explained in a few clauses, not in all."""
    detail = _fault(_json(**{f"wrong_{n}": n for n in range(100)})).detail

    assert detail.count("Extra inputs") == 5
    assert detail.endswith("and 95 more")


@pytest.mark.parametrize("version", [0, 2, "1", None, False, 1.5, [1], 10**30])
def test_unknown_schema_version_is_its_own_reason(version: object) -> None:
    """An event of a version not known here is kept for a newer Taximeter to read."""
    fault = _fault(_json(schema_version=version))

    assert fault.reason == "unknown_schema_version"
    assert "schema_version is" in fault.detail


def test_huge_schema_version_is_told_in_short() -> None:
    """The reason does not repeat what a foreign producer sent in all its length."""
    fault = _fault(_json(schema_version="x" * 10_000))

    assert len(fault.detail) < 200
    assert len(fault.payload) > 10_000


def test_event_ten_years_ahead_is_from_the_future() -> None:
    """A clock gone wrong cannot open a budget period of years to come."""
    ahead = NOON.replace(year=NOON.year + 10).isoformat()

    fault = _fault(_json(occurred_at=ahead))

    assert fault.reason == "from_the_future"
    assert ahead in fault.detail


def test_a_day_ahead_is_allowed_and_no_more() -> None:
    """Clocks may differ by a day from Kafka's, to the microsecond."""
    latest = NOON + timedelta(days=1)
    beyond = latest + timedelta(microseconds=1)

    allowed = _only(_json(occurred_at=latest.isoformat()))
    refused = _only(_json(occurred_at=beyond.isoformat()))

    assert isinstance(allowed, UsageRecorded)
    assert isinstance(refused, Fault)


def test_time_in_another_zone_is_the_same_moment() -> None:
    """An offset other than UTC's is understood."""
    reading = _only(_json(occurred_at="2026-11-22T13:00:00+01:00"))

    assert isinstance(reading, UsageRecorded)
    assert reading.occurred_at == NOON


def test_duplicate_field_means_its_last_value_wherever_it_stands() -> None:
    """A field written twice has its last value, alone, packed and beside bad ones."""
    twice = _with_raw("usage", '{"text_input_tokens":7}')

    alone = _only(twice)
    (beside_good,) = read_record(packed([twice]), NOON)
    _, beside_bad = read_record(packed([b"null", twice]), NOON)

    assert isinstance(alone, UsageRecorded)
    assert alone.usage.text_input_tokens == 7
    assert alone == beside_good == beside_bad


BAD = {
    "null": b"null",
    "an array": b"[[]]",
    "deep": b"[" * 150 + b"]" * 150,
    "NaN": _with_raw("provider_cost_usd", "NaN"),
    "a lone surrogate": _with_raw("session_id", r'"\udfff"'),
    "a surrogate in an unknown field's name": _with_raw(r"\ud800", "1"),
    "a surrogate as version": _with_raw("schema_version", r'"\ud800"'),
    "another version": _json(schema_version=2),
    "a negative count": _tokens(-1),
    "two megabytes": _json(user_id="u" * 2_000_000),
    "the far future": _json(occurred_at="2036-11-22T12:00:00Z"),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_one_bad_event_spoils_no_other(bad: bytes) -> None:
    """The good events of a packed record count, whatever stands between them."""
    other = a_usage(user_id="bob")
    value = packed([encode_event(GOOD), bad, encode_event(other)])

    first, fault, last = read_record(value, NOON)

    assert [first, last] == [GOOD, other]
    assert isinstance(fault, Fault)


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_fault_becomes_a_dead_letter_with_its_bytes(bad: bytes) -> None:
    """Every fault can be sent on, and comes back with reason, origin and bytes."""
    _, fault = read_record(packed([encode_event(GOOD), bad]), NOON)
    assert isinstance(fault, Fault)

    letter = dead_letter(fault, ORIGIN, 1, NOON)
    back = DeadLetter.model_validate_json(letter.model_dump_json())

    assert back == letter
    assert (back.reason, back.payload) == (fault.reason, fault.payload)
    assert back.key == b"taximeter.usage:2:77:1"


def test_dead_letter_of_a_whole_record_has_no_position() -> None:
    """What could not be taken apart is known by topic, partition and offset."""
    letter = dead_letter(_fault(b"\xff\x00"), ORIGIN, None, NOON)

    assert letter.key == b"taximeter.usage:2:77"
    assert letter.payload == b"\xff\x00"


def test_correction_is_read_alone_and_packed() -> None:
    """Recorded and corrected usage may stand in one record, in any order."""
    correction = UsageCorrected(
        event_type="UsageCorrected",
        event_id=an_id(),
        occurred_at=NOON,
        provider="anthropic",
        model="claude-sonnet-4-5",
        corrects=GOOD.event_id,
        old_usage=GOOD.usage,
        new_usage=GOOD.usage.model_copy(update={"text_output_tokens": 210}),
        reason="late count",
    )
    value = packed([encode_event(correction), encode_event(GOOD)])

    assert list(read_record(value, NOON)) == [correction, GOOD]
    assert _only(encode_event(correction)) == correction


def test_unset_defaults_are_not_written() -> None:
    """An event costs no bytes for what it does not say."""
    written = json.loads(encode_event(a_usage()))

    assert "session_id" not in written
    assert "schema_version" not in written


def test_small_amounts_are_written_without_exponent() -> None:
    """A price of fractions of a micro-dollar is plain digits for every reader."""
    written = json.loads(encode_event(a_usage(provider_cost_usd="1.5E-7")))

    assert written["provider_cost_usd"] == "0.00000015"
