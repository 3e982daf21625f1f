"""Whatever is sent is read back; whatever else arrives hurts nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from taximeter_schemas.dead_letters import DeadLetter
from taximeter_schemas.fields import MAX_COUNT
from taximeter_schemas.records import (
    MAX_EVENT_BYTES,
    Fault,
    Origin,
    dead_letter,
    encode_event,
    packed,
    read_record,
    usage_partition,
)
from taximeter_schemas.usage import (
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    ChargedEvent,
    Usage,
    UsageCorrected,
    UsageRecorded,
)
from tests.builders import NOON, a_usage

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=256)
labels = names.map(lambda name: name[:20])
counts = st.integers(min_value=0, max_value=MAX_COUNT)
seconds = st.integers(min_value=0, max_value=10**12).map(lambda n: Decimal(n) / 10**6)
moments = st.timedeltas(timedelta(days=-365 * 26), timedelta(days=1)).map(
    lambda since: NOON + since
)
tokens = st.sampled_from([*INPUT_TOKENS, *OUTPUT_TOKENS])
usages = st.builds(
    lambda tokens, seconds: Usage.model_validate({**tokens, "audio_seconds": seconds}),
    st.dictionaries(tokens, counts),
    seconds,
)


@st.composite
def _call(draw: st.DrawFn) -> dict[str, Any]:
    optional = {
        "source": labels,
        "user_id": names,
        "project_id": names,
        "session_id": st.none() | labels,
        "endpoint": st.none() | labels,
        "tags": st.dictionaries(labels, labels, max_size=5),
        "region": st.none() | labels,
    }
    required = {
        "event_id": st.uuids(),
        "occurred_at": moments,
        "provider": labels,
        "model": labels,
    }
    return draw(st.fixed_dictionaries(required, optional=optional))


@st.composite
def _recorded(draw: st.DrawFn) -> UsageRecorded:
    optional = {
        "status": st.sampled_from(["ok", "error"]),
        "duration_ms": st.none() | counts,
        "provider_cost_usd": st.none()
        | st.decimals(-(10**20), 10**20, allow_nan=False, places=12),
    }
    more = draw(st.fixed_dictionaries({"usage": usages}, optional=optional))
    return UsageRecorded.model_validate(draw(_call()) | more)


@st.composite
def _corrected(draw: st.DrawFn) -> UsageCorrected:
    fields = st.fixed_dictionaries(
        {
            "event_type": st.just("UsageCorrected"),
            "corrects": st.uuids(),
            "old_usage": usages,
            "new_usage": usages,
            "reason": labels,
        }
    )
    return UsageCorrected.model_validate(draw(_call()) | draw(fields))


recorded = _recorded()
events: st.SearchStrategy[ChargedEvent] = recorded | _corrected()
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | names,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner),
    max_leaves=10,
)
field_names = st.sampled_from([*UsageCorrected.model_fields, "usage", "duration_ms"])


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


# Nearly events: one good event with some of its fields replaced by anything.
near_misses = st.dictionaries(field_names, json_values, min_size=1, max_size=4).map(
    lambda fields: _json(json.loads(encode_event(a_usage())) | fields)
)
anything = st.binary(max_size=200) | json_values.map(_json) | near_misses


def _dead_letters(readings: Sequence[ChargedEvent | Fault]) -> list[DeadLetter]:
    origin = Origin("t", 0, 0)
    return [
        dead_letter(reading, origin, position, NOON)
        for position, reading in enumerate(readings)
        if isinstance(reading, Fault)
    ]


@given(events)
def test_event_is_read_as_it_was_sent(event: ChargedEvent) -> None:
    """Encoding an event and reading the record gives the event."""
    assert list(read_record(encode_event(event), NOON)) == [event]


@given(events)
def test_event_read_is_written_in_the_same_bytes(event: ChargedEvent) -> None:
    """Reading and encoding again changes no byte, so a replay makes equal charges."""
    encoded = encode_event(event)

    (read,) = read_record(encoded, NOON)

    assert not isinstance(read, Fault)
    assert encode_event(read) == encoded


@given(st.lists(events, max_size=6))
def test_packed_events_keep_their_order(sent: list[ChargedEvent]) -> None:
    """A packed record gives back the events that went in, in their order."""
    value = packed([encode_event(event) for event in sent])

    assert list(read_record(value, NOON)) == sent


def _good(readings: Sequence[ChargedEvent | Fault]) -> list[ChargedEvent]:
    return [reading for reading in readings if not isinstance(reading, Fault)]


objects = recorded.map(encode_event) | near_misses | st.just(b"null")


@given(st.lists(objects, max_size=6))
def test_neighbours_change_nothing(mixed: list[bytes]) -> None:
    """What stands in a packed record is read as it would be read alone."""
    alone = [event for one in mixed for event in _good(read_record(one, NOON))]

    assert _good(read_record(packed(mixed), NOON)) == alone


@given(anything | st.none())
def test_reading_never_raises(value: bytes | None) -> None:
    """Any bytes are read as events and faults, and any fault can be sent on."""
    for letter in _dead_letters(read_record(value, NOON)):
        assert DeadLetter.model_validate_json(letter.model_dump_json()) == letter


@given(anything)
def test_reading_twice_says_the_same(value: bytes) -> None:
    """The same record makes the same events and the same dead letters again."""
    assert read_record(value, NOON) == read_record(value, NOON)


@given(events, st.timedeltas(timedelta(0), timedelta(days=365 * 20)))
def test_only_more_than_a_day_ahead_is_the_future(
    event: ChargedEvent, before: timedelta
) -> None:
    """An event is refused as early exactly if it claims over a day's lead on Kafka."""
    recorded_at = max(NOON - before, datetime(2000, 1, 3, tzinfo=UTC))

    (reading,) = read_record(encode_event(event), recorded_at)

    ahead = event.occurred_at - recorded_at > timedelta(days=1)
    assert isinstance(reading, Fault) is ahead


@given(recorded, st.integers(min_value=1, max_value=64))
def test_partition_of_an_event_survives_the_way(
    event: UsageRecorded, partitions: int
) -> None:
    """Sender and reader agree on an event's partition."""
    (read,) = read_record(encode_event(event), NOON)

    assert isinstance(read, UsageRecorded)
    there = usage_partition(read.event_id, partitions)
    assert there == usage_partition(event.event_id, partitions) < partitions


def test_fullest_ordinary_event_fits() -> None:
    """An event with every field at its longest, in ASCII, is still accepted."""
    longest = "x" * 256
    event = a_usage(
        source=longest,
        provider=longest,
        model=longest,
        user_id=longest,
        project_id=longest,
        endpoint=longest,
        tags={f"{n:0256}": longest for n in range(32)},
        usage=Usage.model_validate(dict.fromkeys(Usage.model_fields, MAX_COUNT)),
    )

    assert len(encode_event(event)) < MAX_EVENT_BYTES
