"""Reading quickly and reading through the models is one and the same."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from taximeter_processors.calls import Call, Repriced, read_usage
from taximeter_processors.rates import counts_of
from taximeter_schemas.records import Fault, encode_event, packed, read_record
from taximeter_schemas.usage import Usage, UsageRecorded, UsageRepriced
from tests.builders import NOON, a_repricing, a_usage, an_id

KNOWN: dict[str, Any] = {
    "event_id": str(an_id("known")),
    "occurred_at": "2026-11-22T12:00:00Z",
    "provider": "acme",
    "model": "m",
    "usage": {"text_input_tokens": 1},
}

# Values that fit some field, nearly fit one, or fit none.
NAMES = ("", "a", "ä😀", "x" * 256, "x" * 257, "\ud800", 'q"\\\n')
MOMENTS = (
    "2026-11-22T12:00:00Z",
    "2026-11-22t12:00:00.123456z",
    "2026-11-22 12:00:00+05:30",
    "2026-11-22T12:00:00",
    "2026-11-22T12:00:60Z",
    "2026-11-22T12:00Z",
    "2026-W47-7T12:00:00Z",
    "2026-11-23T11:59:59.999999Z",
    "2026-11-23T12:00:00.0000001Z",
    "2026-11-23T12:00:00.000001Z",
    "1999-12-31T23:59:59Z",
    "2000-01-01T00:00:00+00:00",
    "9999-12-31T23:59:59Z",
    1763812800,
)
IDS = (
    str(an_id("one")),
    str(an_id("one")).upper(),
    an_id("one").hex,
    an_id("one").urn,
    f"{{{an_id('one')}}}",
    "no id",
)
COUNTS = (0, 1, -1, 10**12, 10**12 + 1, 10**30, 1.0, 1.5, "1", True, None)
AMOUNTS = ("0.10", "1E-7", "0.0000000000001", 1, 0.1, "NaN", "-5", "9" * 39, None)
OTHERS: tuple[Any, ...] = (None, [], {}, "unknown", "ok", 1, 2)

fields = st.sampled_from([*UsageRecorded.model_fields, "unheard_of"])
values = st.one_of(
    st.sampled_from(
        (*NAMES, *MOMENTS, *IDS, *COUNTS, *AMOUNTS, *OTHERS, "reported", "error")
    ),
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from((*NAMES, 1)), max_size=2),
    st.builds(
        lambda count: {str(number): "tag" for number in range(count)},
        st.sampled_from((32, 33)),
    ),
    st.dictionaries(
        st.sampled_from((*Usage.model_fields, "prompt_tokens")),
        st.sampled_from((*COUNTS, *AMOUNTS)),
        max_size=3,
    ),
)
fitting = {
    "event_id": IDS,
    "reprices": IDS,
    "occurred_at": MOMENTS,
    "provider_cost_usd": AMOUNTS,
    "duration_ms": COUNTS,
}


@st.composite
def events(draw: st.DrawFn) -> bytes:
    """Return an event, with some fields as somebody else might have written them."""
    event = dict(KNOWN)
    for name in draw(st.lists(fields, max_size=3)):
        near = fitting.get(name)
        event[name] = draw(st.sampled_from(near) if near else values)
    missing = draw(st.sampled_from((None, None, None, *KNOWN)))
    event.pop(missing or "", None)
    return json.dumps(event).encode()


@given(st.lists(events(), min_size=1, max_size=3), st.booleans(), st.booleans())
@example([b'{"event_id":' * 2_000], False, False)
@example([json.dumps(KNOWN | {"user_id": None}).encode()], True, True)
@example([b'{"a":1,' + json.dumps(KNOWN).encode()[1:]], True, False)
def test_both_ways_of_reading_agree(
    encoded: list[bytes], ours: bool, alone: bool
) -> None:
    """They refuse the same events, and what they take means the same."""
    value = encoded[0] if alone else packed(encoded)
    quickly = read_usage(value, NOON, ours=ours)
    carefully = read_record(value, NOON)
    assert len(quickly.events) == len(carefully)
    for quick, careful in zip(quickly.events, carefully, strict=True):
        if isinstance(careful, Fault):
            assert quick == careful
        else:
            assert isinstance(careful, UsageRecorded)
            assert isinstance(quick, Call)
            assert said_by(quick) == said_by(Call.of(careful))


@given(st.lists(events(), min_size=1, max_size=3))
def test_the_bytes_kept_say_what_was_read(encoded: list[bytes]) -> None:
    """What goes into a charge is the event, in our own notation."""
    readings = read_usage(packed(encoded), NOON, ours=False)
    for event, kept in zip(readings.events, readings.encoded, strict=True):
        if isinstance(event, Call):
            again = UsageRecorded.model_validate_json(kept)
            assert said_by(Call.of(again)) == said_by(event)


def said_by(call: Call) -> dict[str, Any]:
    """Return what a call says; a count of 0 says nothing."""
    said = {name: getattr(call, name) for name in Call.__struct_fields__}
    return said | {"usage": {name: n for name, n in call.usage.items() if n}}


def test_a_call_has_the_fields_of_the_event() -> None:
    """A field that the model gets, the quick way gets too, with the same default."""
    assert set(Call.__struct_fields__) == set(UsageRecorded.model_fields)
    event = a_usage()
    call = Call.of(UsageRecorded.model_validate_json(encode_event(event)))
    assert call.usage == counts_of(event.usage)
    for name in set(Call.__struct_fields__) - {"usage"}:
        assert getattr(call, name) == getattr(event, name)


def test_ordinary_records_are_read_quickly() -> None:
    """An event of our emitter never goes the long way, or speed is lost unseen."""
    event = a_usage(occurred_at=NOON + timedelta(microseconds=1), tags={"a": "b"})
    assert read_usage(packed([encode_event(event)] * 3), NOON, ours=True).plain
    assert read_usage(encode_event(event), NOON, ours=False).plain


def test_each_event_keeps_its_own_bytes() -> None:
    """What is charged is what its sender wrote, whatever stands between the events."""
    one, other = (encode_event(a_usage(event_id=an_id(name))) for name in "ab")
    for value in (packed([one, other]), b" [" + one + b" , " + other + b"]\n"):
        assert read_usage(value, NOON, ours=True).encoded == [one, other]


def _repricing_of(call: str) -> bytes:
    event = json.loads(encode_event(a_repricing(event_id=an_id("repricing"))))
    return json.dumps(event | {"reprices": call}).encode()


@st.composite
def repricings(draw: st.DrawFn) -> bytes:
    """Return a re-pricing, with some fields as somebody else might write them."""
    event = json.loads(encode_event(a_repricing(event_id=an_id("repricing"))))
    names = st.sampled_from([*UsageRepriced.model_fields, "unheard_of"])
    for name in draw(st.lists(names, max_size=2)):
        near = AMOUNTS if name.endswith("_usd") else fitting.get(name)
        event[name] = draw(st.sampled_from(near) if near else values)
    return json.dumps(event).encode()


@given(st.lists(repricings(), min_size=1, max_size=3), st.booleans())
@example([_repricing_of("0199F3C2-7A11-7C3E-9D2A-5B8F0A1C2D3E")], True)
@example([_repricing_of("nobody's id")], True)
@example([_repricing_of(f"{an_id('one')}\n{an_id('other')}")], True)
def test_both_ways_of_reading_repricings_agree(
    encoded: list[bytes], ours: bool
) -> None:
    """They refuse the same re-pricings, and what they take means the same."""
    value = packed(encoded)
    quickly = read_usage(value, NOON, ours=ours).events
    for quick, careful in zip(quickly, read_record(value, NOON), strict=True):
        if isinstance(careful, UsageRepriced):
            assert quick == Repriced.of(careful)
        else:
            assert quick == careful


@given(st.lists(repricings(), min_size=2, max_size=4))
def test_repricings_are_read_together_as_each_alone(encoded: list[bytes]) -> None:
    """One that is refused spoils no other, and what is taken means the same."""
    together = read_record(packed(encoded), NOON)
    for one, event in zip(together, encoded, strict=True):
        (alone,) = read_record(event, NOON)
        if isinstance(alone, Fault):
            assert isinstance(one, Fault)
            assert one.reason == alone.reason
        else:
            assert one == alone


def test_a_repricing_has_the_fields_of_the_event() -> None:
    """A field that the model gets, the quick way gets too, and many go quickly."""
    assert set(Repriced.__struct_fields__) == set(UsageRepriced.model_fields)
    event = encode_event(a_repricing())
    assert read_usage(packed([event] * 3), NOON, ours=True).plain
