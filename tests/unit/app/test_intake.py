"""Bodies in each of their forms: what is right is taken, what is wrong is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

import pytest
from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from taximeter.api.access import Caller
from taximeter.api.cloud_events import read_batch, read_binary, read_structured
from taximeter.api.intake import Read, read_lines, read_one_text, taken
from taximeter.api_tokens import ApiToken
from taximeter_schemas.ids import derived_id
from taximeter_schemas.records import encode_event, packed
from taximeter_schemas.usage import UsageRecorded
from tests.builders import NOON, a_repricing, a_usage, a_usage_not_understood

ANYBODY = Caller()
Event = dict[str, object]


def _as_sent(event: UsageRecorded) -> Event:
    sent: Event = json.loads(encode_event(event))
    return sent


async def _events(body: bytes, read: Read, caller: Caller = ANYBODY) -> list[Event]:
    found = await taken(body, read, NOON, caller)
    assert not found.wrong
    return [json.loads(event.value) for event in found.events]


async def _reasons(
    body: bytes, read: Read, caller: Caller = ANYBODY
) -> list[tuple[int, str]]:
    found = await taken(body, read, NOON, caller)
    return [(one.index, one.reason) for one in found.wrong]


def _for(*sources: str) -> Caller:
    token = ApiToken(
        id="1", name="ci", sha256="", may=("write",), sources=sources, created_at=NOON
    )
    return Caller(token)


async def test_a_bad_line_spoils_no_other() -> None:
    """Each line of NDJSON stands for itself; blank ones are none."""
    first, last = a_usage(), a_usage(user_id="\u2028 bob")
    lines = [encode_event(first), b"{", b"", b"[]", b"  ", encode_event(last)]
    for newline in (b"\n", b"\r\n"):
        found = await taken(newline.join(lines), read_lines, NOON, ANYBODY)
        assert [one.key.decode() for one in found.events] == [
            str(first.event_id),
            str(last.event_id),
        ]
        assert [(one.index, one.reason) for one in found.wrong] == [
            (1, "not_json"),
            (2, "not_an_event"),
        ]


async def test_lines_that_are_said_to_be_json() -> None:
    """They are refused, and told how to be sent."""
    lines = b"\n".join(encode_event(a_usage()) for _ in range(2))
    found = await taken(lines, read_one_text, NOON, ANYBODY)
    assert found.wrong[0].reason == "not_json"
    assert "application/x-ndjson" in found.wrong[0].detail


async def test_two_events_in_a_line_are_no_event() -> None:
    """What is an array only once the lines are joined is told where it stands."""
    two = b"%b,%b" % (encode_event(a_usage()), encode_event(a_usage()))
    assert await _reasons(two, read_lines) == [(0, "not_json")]
    assert await _events(b"", read_lines) == []


async def test_ten_thousand_events_and_one_is_bad() -> None:
    """The one is told, with its place; all others are taken."""
    encoded = [encode_event(a_usage()) for _ in range(10_000)]
    encoded[7_777] = encoded[7_777].replace(b'"provider"', b'"supplier"')
    for body, read in (
        (packed(encoded), read_one_text),
        (b"\n".join(encoded), read_lines),
    ):
        found = await taken(body, read, NOON, ANYBODY)
        assert len(found.events) == 9_999
        ((index, reason, detail),) = (
            (w.index, w.reason, w.detail) for w in found.wrong
        )
        assert (index, reason) == (7_777, "invalid_event")
        assert "supplier" in detail


async def test_a_token_of_a_source_writes_no_other() -> None:
    """Events of other sources, and of none, are refused one by one, of every kind."""
    own, other = a_usage(source="checkout"), a_usage(source="search")
    unread = a_usage_not_understood(source="search")
    nobodys = encode_event(a_usage()).replace(b'"source":"tests",', b"")
    body = packed([encode_event(own), encode_event(other), nobodys])
    found = await taken(body, read_one_text, NOON, _for("checkout", "cart"))
    assert [json.loads(event.value)["source"] for event in found.events] == ["checkout"]
    assert [one.reason for one in found.wrong] == ["source_not_allowed"] * 2
    words = "token 'ci' writes events of checkout, cart, not of 'search'"
    assert found.wrong[0].detail == words
    assert "not of 'unknown'" in found.wrong[1].detail
    odd = encode_event(unread)
    assert await _reasons(odd, read_one_text, _for("a")) == [(0, "source_not_allowed")]
    assert await _reasons(odd, read_one_text, _for("search")) == []


async def test_nobody_states_amounts() -> None:
    """A re-pricing comes from nowhere but the command, whatever the form."""
    body = encode_event(a_repricing())
    for read in (read_one_text, read_lines):
        assert await _reasons(body, read) == [(0, "invalid_event")]


def _cloud(data: object, **changed: object) -> dict[str, object]:
    attributes: dict[str, object] = {
        "specversion": "1.0",
        "id": "call-1",
        "source": "//checkout/eu",
        "type": "taximeter.UsageRecorded",
        "time": "2026-11-22T11:00:00Z",
    }
    return {k: v for k, v in (attributes | changed).items() if v is not None} | {
        "data": data
    }


_CALL = {"provider": "openai", "model": "gpt-4o", "usage": {"text_input_tokens": 3}}


async def test_attributes_stand_for_fields() -> None:
    """Id, source and time are the event's own, unless its data says them."""
    body = json.dumps(_cloud(_CALL, subject="x", dataschema="http://s", ext=1)).encode()
    (event,) = await _events(body, read_structured)
    assert event["event_id"] == str(
        derived_id("cloudevents", "//checkout/eu", "call-1")
    )
    assert event["source"] == "//checkout/eu"
    assert event["occurred_at"] == "2026-11-22T11:00:00Z"
    whole = a_usage()
    (event,) = await _events(
        json.dumps(_cloud(_as_sent(whole))).encode(), read_structured
    )
    assert event == _as_sent(whole)
    named = json.dumps(_cloud(_CALL, id=str(whole.event_id).upper())).encode()
    (event,) = await _events(named, read_structured)
    assert event["event_id"] == str(whole.event_id)


async def test_what_the_cncf_client_sends_is_taken() -> None:
    """Structured and binary messages of the CloudEvents SDK mean the same event."""
    attributes = {k: v for k, v in _cloud(_CALL).items() if k not in ("data", "time")}
    sent = CloudEvent({**attributes, "time": NOON, "source": "/ü 1"}, _CALL)
    structured, binary = to_structured_event(sent), to_binary_event(sent)
    assert "ce-specversion" in binary.headers
    (one,) = await _events(structured.body, read_structured)
    (other,) = await _events(binary.body, partial(read_binary, binary.headers))
    assert one == other
    assert one["source"] == "/ü 1"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"specversion": "0.3"}, "specversion: Input should be '1.0'"),
        ({"specversion": None}, "specversion: Field required"),
        ({"type": "com.github.push"}, "type: Input should be 'taximeter.UsageRec"),
        ({"id": ""}, "id: "),
        ({"id": 7}, "id: "),
        ({"source": None}, "source: Field required"),
        ({"time": "noon"}, "time: "),
        ({"datacontenttype": "text/xml"}, "datacontenttype: "),
    ],
)
async def test_what_is_no_cloud_event_is_told(
    changed: dict[str, object], words: str
) -> None:
    """The attribute that is wrong is named, and one bad event spoils no batch."""
    batch = [_cloud(_CALL), _cloud(_CALL, **changed), 7, _cloud({"usage": 1}, id="b")]
    found = await taken(json.dumps(batch).encode(), read_batch, NOON, ANYBODY)
    assert len(found.events) == 1
    assert [one.index for one in found.wrong] == [1, 2, 3]
    assert found.wrong[0].detail.startswith(f"CloudEvent: {words}")


@pytest.mark.parametrize(
    ("body", "read", "reason"),
    [
        (b"{", read_structured, "not_json"),
        (b"[]", read_structured, "invalid_event"),
        (b"{}", read_batch, "not_an_event"),
        (b"[" * 100_000, read_batch, "not_json"),
        (b"\xff", read_batch, "not_json"),
        (
            json.dumps(_cloud(_CALL | {"x": 1e999})).encode(),
            read_structured,
            "not_json",
        ),
        (json.dumps(_cloud("text")).encode(), read_structured, "invalid_event"),
        (json.dumps(_cloud({"\ud800": 1})).encode(), read_structured, "invalid_event"),
    ],
)
async def test_whatever_stands_there_has_a_reason(
    body: bytes, read: Read, reason: str
) -> None:
    """Nothing that is sent as a CloudEvent is a fault of the API."""
    assert await _reasons(body, read) == [(0, reason)]


_JSON: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
_BENT = st.builds(
    lambda name, value: _cloud(_CALL) | {name: value},
    st.sampled_from(sorted(_cloud(_CALL))),
    _JSON,
)
_READS: list[Callable[..., object]] = [
    read_one_text,
    read_lines,
    read_structured,
    read_batch,
    partial(read_binary, {"ce-id": "1", "CE-Source": "%FF", "ce-time": "x"}),
]


@given(
    st.binary(max_size=64)
    | st.lists(_JSON | _BENT, max_size=3).map(lambda value: json.dumps(value).encode())
    | (_JSON | _BENT).map(lambda value: json.dumps(value).encode()),
    st.sampled_from(_READS),
)
async def test_every_reading_of_every_body_ends(body: bytes, read: Read) -> None:
    """As many readings as things in it, each an event or a reason; never an error."""
    found = await taken(body, read, NOON, ANYBODY)
    assert len({one.index for one in found.wrong}) == len(found.wrong)
    assert all(one.detail for one in found.wrong)
