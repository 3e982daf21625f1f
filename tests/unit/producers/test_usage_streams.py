"""A streamed answer means what it would have meant in one piece."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from taximeter_producers import reading_from_response, usage_from_stream
from taximeter_schemas.errors import UnknownShape, UsageUnreadable
from taximeter_schemas.usage import Usage

CHUNK = {"object": "chat.completion.chunk", "id": "c-1", "model": "gpt-4o-mini"}


def said(usage: Usage) -> dict[str, Any]:
    """Return what a usage holds above 0."""
    return usage.model_dump(exclude_defaults=True)


def chunk(text: str | None = None, **fields: object) -> dict[str, object]:
    """Return one of OpenAI's chunks."""
    choices = [] if text is None else [{"delta": {"content": text}}]
    return CHUNK | {"choices": choices, "usage": None} | fields


def test_openais_final_chunk_has_the_usage() -> None:
    """The chunk without choices counts; id and model are those of the stream."""
    final = chunk(usage={"prompt_tokens": 3, "completion_tokens": 2, "cost": 0.5})
    reading = usage_from_stream([chunk("a"), chunk("b"), final])
    assert said(reading.usage) == {"text_input_tokens": 3, "text_output_tokens": 2}
    assert (reading.response_id, reading.response_model) == ("c-1", "gpt-4o-mini")
    assert (reading.usage_source, str(reading.provider_cost_usd)) == (
        "reported",
        "0.500000000000",
    )


def test_of_a_usage_on_every_chunk_the_last_wins() -> None:
    """Some state how far they have got with each chunk; Groq has a place of its own."""
    usages = [{"prompt_tokens": 3, "completion_tokens": n} for n in (1, 2, 3)]
    reading = usage_from_stream([chunk("a", usage=u) for u in usages])
    assert reading.usage.text_output_tokens == 3
    own = usage_from_stream(
        [chunk("a"), chunk(x_groq={"usage": usages[1]})], "groq.chat_completions"
    )
    assert own.usage.text_output_tokens == 2


def test_lines_of_server_sent_events_are_read() -> None:
    """A stream may be given as it comes from the socket."""
    final = chunk(usage={"prompt_tokens": 3, "completion_tokens": 2})
    lines = [
        f"data: {json.dumps(chunk('a'))}\n\n".encode(),
        f"event: message\ndata: {json.dumps(final)}",
        ": keep-alive",
        "",
        "data: [DONE]",
    ]
    assert usage_from_stream(lines).usage.text_input_tokens == 3
    whole = f"data: {json.dumps(chunk('a'))}\n\ndata: {json.dumps(final)}\n\n"
    assert usage_from_stream(whole).usage.text_input_tokens == 3


def test_responses_end_with_the_whole_response() -> None:
    """`response.completed` counts, not what stood in the events before it."""
    events = [
        {"type": "response.created", "response": {"id": "r-1", "usage": None}},
        {"type": "response.output_text.delta", "delta": "hi"},
        {
            "type": "response.completed",
            "response": {
                "id": "r-1",
                "model": "gpt-5",
                "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
                "output": [{"type": "web_search_call", "action": {"type": "search"}}],
            },
        },
    ]
    reading = usage_from_stream(events)
    assert reading.shape == "openai.responses"
    assert reading.response_id == "r-1"
    assert said(reading.usage) == {
        "text_input_tokens": 3,
        "text_output_tokens": 2,
        "web_searches": 1,
    }


START = {
    "type": "message_start",
    "message": {
        "id": "msg_1",
        "model": "claude-sonnet-4-5",
        "usage": {
            "input_tokens": 10,
            "cache_read_input_tokens": 400,
            "cache_creation": {"ephemeral_1h_input_tokens": 5},
            "output_tokens": 1,
        },
    },
}
TEXT = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "hello"}}


def test_anthropics_counts_are_cumulative() -> None:
    """A later count replaces an earlier one, and what it leaves out stays."""
    events = [
        START,
        TEXT,
        {"type": "message_delta", "usage": {"output_tokens": 20}},
        {
            "type": "message_delta",
            "usage": {"output_tokens": 30, "input_tokens": 0},
        },
        {"type": "message_stop"},
    ]
    reading = usage_from_stream(events)
    assert (reading.shape, reading.usage_source) == ("anthropic.messages", "reported")
    assert reading.response_id == "msg_1"
    assert said(reading.usage) == {
        "text_input_tokens": 10,
        "cache_read_tokens": 400,
        "cache_write_1h_tokens": 5,
        "text_output_tokens": 30,
    }


def test_a_message_that_was_cut_short_is_an_estimate() -> None:
    """What it began with is known; the text that came is counted."""
    reading = usage_from_stream([START, TEXT, TEXT, TEXT, TEXT])
    assert reading.usage_source == "estimated"
    assert reading.usage.cache_read_tokens == 400
    assert reading.usage.text_input_tokens == 10
    assert reading.usage.text_output_tokens >= 4


def test_geminis_last_usage_is_final() -> None:
    """Each chunk states the usage so far; searches are those of the grounding."""
    grounded = {"groundingMetadata": {"webSearchQueries": ["a"]}}
    usages = [{"promptTokenCount": 4, "candidatesTokenCount": n} for n in (3, 8)]
    events = [
        {"usageMetadata": usages[0], "modelVersion": "gemini-3", "responseId": "g-1"},
        {"usageMetadata": usages[1], "candidates": [grounded]},
        {"candidates": [{"finishReason": "STOP"}]},
    ]
    reading = usage_from_stream(events)
    assert (reading.response_model, reading.response_id) == ("gemini-3", "g-1")
    assert said(reading.usage) == {
        "text_input_tokens": 4,
        "text_output_tokens": 8,
        "web_searches": 1,
    }


@pytest.mark.parametrize("enveloped", [True, False])
def test_bedrocks_metadata_event_has_the_usage(enveloped: bool) -> None:
    """It is read with its envelope, as boto3 gives it, and without."""
    usage = {"usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}}
    last = {"metadata": usage} if enveloped else usage
    events = [{"contentBlockDelta": {"delta": {"text": "a"}}}, last]
    reading = usage_from_stream(events, "bedrock.converse")
    assert said(reading.usage) == {"text_input_tokens": 3, "text_output_tokens": 2}


def test_coheres_streams_end_with_what_is_billed() -> None:
    """`stream-end` of its first API and `message-end` of the second."""
    units = {"billed_units": {"input_tokens": 3, "output_tokens": 2}}
    first = {"event_type": "stream-end", "response": {"meta": units}}
    second = {"type": "message-end", "delta": {"usage": units}}
    for last in (first, second):
        reading = usage_from_stream([{"text": "a"}, last], "cohere.chat")
        assert said(reading.usage) == {"text_input_tokens": 3, "text_output_tokens": 2}


def test_streamed_media_end_with_their_usage() -> None:
    """Images, transcripts and speech state it in their last event."""
    tokens = {"input_tokens": 3, "output_tokens": 9, "total_tokens": 12}
    last = {"type": "speech.audio.done", "usage": tokens}
    reading = usage_from_stream([{"type": "speech.audio.delta"}, last], "openai.speech")
    assert reading.usage.audio_output_tokens == 9


def test_without_usage_tokens_are_estimated() -> None:
    """What was asked and answered is counted, and the reading says so."""
    chunks = [chunk(word + " ") for word in ["the", "quick", "brown", "fox", "jumps"]]
    messages = [{"role": "user", "content": "Say something about a fox."}]
    reading = usage_from_stream(chunks, messages=messages)
    assert reading.usage_source == "estimated"
    assert reading.event_fields()["usage_source"] == "estimated"
    assert reading.usage.text_input_tokens >= 6
    assert 5 <= reading.usage.text_output_tokens <= 7
    unknown = usage_from_stream(chunks, messages="Say something.", model="llama-3")
    assert unknown.usage.text_input_tokens >= 3


def test_an_empty_stream_is_no_usage() -> None:
    """Nothing was said by anybody: there is nothing to estimate."""
    with pytest.raises(UsageUnreadable):
        usage_from_stream([], "openai.chat_completions")
    with pytest.raises(UnknownShape):
        usage_from_stream([])


def test_what_is_no_stream_is_refused() -> None:
    """A chunk that is not JSON, and a usage that contradicts itself."""
    with pytest.raises(UsageUnreadable):
        usage_from_stream(["hello"], "openai.chat_completions")
    wrong = chunk(usage={"prompt_tokens": -3})
    with pytest.raises(UsageUnreadable) as caught:
        usage_from_stream([wrong])
    assert caught.value.usage_part == {"prompt_tokens": -3}


def test_reading_a_stated_usage_never_imports_litellm() -> None:
    """Only an estimate pays for it, and the base package never does."""
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "import taximeter\n"
        "assert 'pydantic' not in sys.modules\n"
        "usage = {'prompt_tokens': 1, 'completion_tokens': 1}\n"
        "taximeter.usage_from_response({'usage': usage})\n"
        "taximeter.usage_from_stream([{'usage': usage}])\n"
        "heavy = {'litellm', 'faust', 'duckdb', 'aiokafka', 'msgspec'}\n"
        "assert not heavy & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_stream_and_its_answer_mean_the_same() -> None:
    """One usage, streamed or not, is one reading."""
    usage = {"input_tokens": 5, "output_tokens": 9, "cache_read_input_tokens": 2}
    whole = {"id": "m", "type": "message", "model": "c", "usage": usage}
    start = {"type": "message_start", "message": whole | {"usage": {"input_tokens": 5}}}
    delta = {"type": "message_delta", "usage": usage}
    assert usage_from_stream([start, delta]) == reading_from_response(whole)


@pytest.mark.parametrize(
    ("events", "input_tokens", "output_tokens"),
    [
        (
            [
                {"message": {"usage": {"input_tokens": 3, "output_tokens": 1}}},
                {"type": "message_delta", "usage": {"output_tokens": 9}},
                {
                    "type": "message_stop",
                    "amazon-bedrock-invocationMetrics": {
                        "inputTokenCount": 3,
                        "outputTokenCount": 9,
                    },
                },
            ],
            3,
            9,
        ),
        (
            [
                {"generation": "h", "prompt_token_count": 3},
                {
                    "generation": "",
                    "amazon-bedrock-invocationMetrics": {
                        "inputTokenCount": 3,
                        "outputTokenCount": 2,
                    },
                },
            ],
            3,
            2,
        ),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_bedrocks_invoked_models_stream_in_their_own_words(
    events: list[dict[str, object]],
    input_tokens: int,
    output_tokens: int,
    packed: bool,
) -> None:
    """By the model's events or by the metrics, as AWS's client gives them or parsed."""
    chunks: list[object] = list(events)
    if packed:
        chunks = [{"chunk": {"bytes": json.dumps(one).encode()}} for one in events]
    usage = usage_from_stream(chunks, "bedrock.invoke").usage
    assert (usage.text_input_tokens, usage.text_output_tokens) == (
        input_tokens,
        output_tokens,
    )
