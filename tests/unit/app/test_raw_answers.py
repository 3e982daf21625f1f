"""A provider's raw answer becomes the events that its wrapped client would make."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from taximeter.raw_answers import RawCall, events_of_answer
from taximeter.raw_shapes import Answer
from taximeter_producers import usage_from_response
from taximeter_producers.call_ids import call_event_id
from taximeter_producers.usage_shapes.table import SHAPES
from taximeter_schemas.ids import derived_id
from taximeter_schemas.records import encode_event
from taximeter_schemas.usage import UsageNotUnderstood, UsageRecorded
from tests.builders import NOON, an_id
from tests.provider_bodies import real_bodies

NOBODY = RawCall()
CHAT: dict[str, object] = {
    "id": "chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG",
    "object": "chat.completion",
    "model": "gpt-4o-2024-08-06",
    "choices": [{"message": {"content": "a secret answer"}}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21},
}
MESSAGES = [
    'data: {"type":"message_start","message":{"id":"msg_01XFDUDYJgAACzvnptvVoYEL",'
    '"model":"claude-sonnet-4-5","usage":{"input_tokens":25,"output_tokens":1}}}',
    "event: content_block_delta",
    'data: {"type":"content_block_delta","delta":{"text":"a secret answer"}}',
    'data: {"type":"message_delta","delta":{},"usage":{"output_tokens":15}}',
    'data: {"type":"message_stop"}',
]


def _recorded(provider: str, answer: Answer, said: RawCall = NOBODY) -> UsageRecorded:
    (event,) = events_of_answer(provider, answer, said, NOON)
    assert isinstance(event, UsageRecorded), event
    return event


def _kept(provider: str, answer: Answer, said: RawCall = NOBODY) -> UsageNotUnderstood:
    (event,) = events_of_answer(provider, answer, said, NOON)
    assert isinstance(event, UsageNotUnderstood), event
    return event


def test_every_real_answer_is_read_as_it_is_meant() -> None:
    """794 bodies of providers: the provider's name alone says how to read them."""
    for body in real_bodies():
        provider = body["shape"].partition(".")[0]
        event = events_of_answer(provider, body["body"], NOBODY, NOON)[0]
        assert isinstance(event, UsageRecorded)
        assert event.usage == usage_from_response(body["body"], body["shape"])


def test_an_answer_says_which_call_it_was() -> None:
    """Its id is that of the wrapped clients, its text is nowhere, its model its own."""
    event = _recorded("openai", CHAT)
    assert event.event_id == call_event_id("openai", CHAT["id"])
    assert event == _recorded("openai", CHAT)
    assert (event.model, event.operation) == ("gpt-4o-2024-08-06", "chat")
    assert (event.usage.text_input_tokens, event.usage.text_output_tokens) == (9, 12)
    assert event.occurred_at == NOON
    assert b"secret" not in encode_event(event)


def test_a_stream_is_read_in_every_way_it_is_kept() -> None:
    """As its text, as lines, and as chunks."""
    chunks = [json.loads(line[6:]) for line in MESSAGES if line.startswith("data:")]
    ways: list[Answer] = ["\n\n".join(MESSAGES), list(MESSAGES), chunks]
    events = [_recorded("anthropic", way) for way in ways]
    assert events[0] == events[1] == events[2]
    assert events[0].usage.text_input_tokens == 25
    assert events[0].usage.text_output_tokens == 15
    named = call_event_id("anthropic", "msg_01XFDUDYJgAACzvnptvVoYEL")
    assert events[0].event_id == named
    assert b"secret" not in encode_event(events[0])


def test_what_is_said_stands_in_the_event() -> None:
    """Whose call it was, and whatever else the answer does not say."""
    said = RawCall(
        event_id=an_id("call"),
        occurred_at=NOON.replace(hour=1),
        model="gpt-4o",
        source="shop",
        user_id="ada",
        tags={"team": "x"},
        duration_ms=850,
        operation="moderation",
        service_tier="flex",
    )
    event = _recorded("openai", CHAT, said)
    for name, value in said.model_dump(exclude_unset=True).items():
        assert getattr(event, name) == value, name


def test_an_answer_without_an_id_is_a_call_each_time() -> None:
    """Two alike may be two calls; whoever says the event's id says which."""
    answer = {"object": "list", "data": [], "model": "e", "usage": {"prompt_tokens": 8}}
    one, other = (_recorded("openai", answer) for _ in range(2))
    assert one.event_id != other.event_id
    assert one.operation == "embedding"
    named = RawCall(event_id=an_id("e"))
    assert _recorded("openai", answer, named) == _recorded("openai", answer, named)


def test_what_is_billed_apart_is_an_event_of_its_own() -> None:
    """Anthropic's compaction, under an id that follows from the call's."""
    iterations = [
        {"type": "compaction", "input_tokens": 100, "output_tokens": 10},
        {"type": "message", "input_tokens": 3, "output_tokens": 4},
    ]
    answer: Answer = {
        "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
        "model": "claude-sonnet-4-5",
        "usage": {"input_tokens": 3, "output_tokens": 4, "iterations": iterations},
    }
    said = RawCall(event_id=an_id("call"), user_id="ada")
    main, beside = events_of_answer("anthropic", answer, said, NOON)
    assert main.event_id == said.event_id
    assert beside.event_id == derived_id("beside", str(main.event_id), "0")
    assert isinstance(beside, UsageRecorded)
    assert (beside.usage.text_input_tokens, beside.user_id) == (100, "ada")


@pytest.mark.parametrize(
    ("answer", "error_type"),
    [
        ({"type": "error", "error": {"type": "overloaded_error"}}, "overloaded_error"),
        (
            {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}},
            "RESOURCE_EXHAUSTED",
        ),
        ({"error": {}}, "unknown"),
    ],
)
def test_an_error_is_a_call_that_failed(answer: Answer, error_type: str) -> None:
    """It is counted with its type, and costs nothing."""
    event = _recorded("anthropic", answer, RawCall(model="claude-sonnet-4-5"))
    assert (event.status, event.error_type) == ("error", error_type)
    assert event.usage.text_input_tokens == 0
    assert event.model == "claude-sonnet-4-5"


def test_what_contradicts_itself_is_kept() -> None:
    """The usage part and whose call it was go on, for people to look at."""
    usage = {"prompt_tokens": -1, "completion_tokens": 2, "total_tokens": 1}
    said = RawCall(user_id="ada", reservation_id=an_id("r"))
    event = _kept("openai", CHAT | {"usage": usage}, said)
    assert json.loads(event.usage_part) == usage
    assert event.user_id == "ada"
    assert event.event_id == call_event_id("openai", CHAT["id"])
    assert b"secret" not in encode_event(event)


def test_a_shape_that_nobody_can_tell_is_kept_and_can_be_named() -> None:
    """The same answer with its shape named is the same call."""
    usage = {"input_tokens": 3, "output_tokens": 4}
    answer: Answer = {"id": "resp_0123456789abcdef", "usage": usage, "text": "secret"}
    event = _kept("openai", answer)
    assert event.detail == "shape cannot be told: name it, as in ?shape=responses"
    assert json.loads(event.usage_part) == usage
    for shape in ("responses", "openai.responses"):
        found = _recorded("openai", answer, RawCall(shape=shape))
        assert found.event_id == event.event_id
        assert found.usage.text_output_tokens == 4
    assert _kept("openai", answer, RawCall(shape="no.such")).shape == "openai.no.such"
    assert b"secret" not in encode_event(event)


def test_an_answer_under_way_is_no_call_yet() -> None:
    """A response in the background is billed when it is done."""
    answer: Answer = {"object": "response", "status": "queued", "usage": None}
    assert events_of_answer("openai", answer, NOBODY, NOON) == []


def test_speech_is_counted_by_what_was_asked() -> None:
    """Its answer is sound, so the body of its request stands for it."""
    asked: Answer = {"model": "tts-1", "input": "hello", "voice": "alloy"}
    event = _recorded("openai", asked, RawCall(shape="audio_speech"))
    assert (event.usage.characters, event.model) == (5, "tts-1")
    assert event.operation == "speech"


_JSON: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "usage", "model", "type", "error", "object", "meta"])
            | st.text(max_size=6),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)
_ANSWERS = (
    st.dictionaries(st.sampled_from([*CHAT, "type", "error", "status"]), _JSON)
    | st.lists(_JSON, max_size=3)
    | st.text(max_size=40)
    | st.builds(
        lambda name, value: CHAT | {name: value}, st.sampled_from([*CHAT]), _JSON
    )
)


@given(
    st.sampled_from(["openai", "anthropic", "bedrock", "nobody", ""]),
    _ANSWERS,
    st.none() | st.sampled_from(sorted(SHAPES)) | st.text(min_size=1, max_size=8),
)
def test_no_answer_is_a_fault_of_ours(
    provider: str, answer: Answer, shape: str | None
) -> None:
    """Whatever was answered becomes events, or is told to be none."""
    try:
        events = events_of_answer(provider, answer, RawCall(shape=shape), NOON)
    except ValidationError:
        return
    assert all(event.occurred_at == NOON for event in events)
