"""Each provider's own way of counting comes out as the same disjoint buckets."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from types import SimpleNamespace
from typing import Any

import pytest

from taximeter_producers import (
    reading_from_response,
    usage_from_response,
    usage_not_understood,
)
from taximeter_producers.usage_shapes.table import ALIASES, SHAPES
from taximeter_schemas.errors import UnknownShape, UsageError, UsageUnreadable
from taximeter_schemas.usage import INPUT_TOKENS, OUTPUT_TOKENS, Usage

CHAT = "openai.chat_completions"
GEMINI = "google.generate_content"


def said(usage: Usage) -> dict[str, Any]:
    """Return what a usage holds above 0."""
    return usage.model_dump(exclude_defaults=True)


def read(shape: str, **usage: object) -> dict[str, Any]:
    """Return what a body with this usage means."""
    place = SHAPES[shape].places[0] if shape in SHAPES else "usage"
    return said(usage_from_response({place: usage}, shape))


def refused(shape: str, **usage: object) -> UsageUnreadable:
    """Return the error that a body with this usage makes."""
    with pytest.raises(UsageUnreadable) as caught:
        read(shape, **usage)
    return caught.value


def modal(**tokens: int) -> list[dict[str, object]]:
    """Return a list of Gemini's, as `modal(TEXT=3)`."""
    return [{"modality": name, "tokenCount": n} for name, n in tokens.items()]


def test_openai_input_includes_cached_written_and_every_modality() -> None:
    """What the details name is taken out of the prompt, and all of it adds up."""
    assert read(
        CHAT,
        prompt_tokens=1000,
        completion_tokens=100,
        total_tokens=1100,
        prompt_tokens_details={
            "cached_tokens": 300,
            "cached_tokens_details": {"audio_tokens": 50, "text_tokens": 250},
            "audio_tokens": 80,
            "image_tokens": 20,
            "video_tokens": 10,
            "cache_write_tokens": 90,
            "text_tokens": 890,
        },
        completion_tokens_details={
            "reasoning_tokens": 30,
            "audio_tokens": 10,
            "rejected_prediction_tokens": 5,
        },
    ) == {
        "text_input_tokens": 550,
        "cache_read_tokens": 250,
        "cache_read_audio_tokens": 50,
        "cache_write_5m_tokens": 90,
        "audio_input_tokens": 30,
        "image_input_tokens": 20,
        "video_input_tokens": 10,
        "text_output_tokens": 60,
        "audio_output_tokens": 10,
        "reasoning_output_tokens": 30,
    }


def test_missing_and_null_details_are_no_tokens() -> None:
    """Whatever is not stated is 0, and fields nobody knows are left alone."""
    assert read(
        CHAT,
        prompt_tokens=3,
        completion_tokens=None,
        prompt_tokens_details=None,
        completion_tokens_details={"reasoning_tokens": None},
        queue_time=0.2,
        something={"new": [1]},
    ) == {"text_input_tokens": 3}


def test_whole_floats_are_counts() -> None:
    """A count that came through a language without integers is still one."""
    assert read(CHAT, prompt_tokens=3.0, completion_tokens=2) == {
        "text_input_tokens": 3,
        "text_output_tokens": 2,
    }


def test_cached_beyond_text_is_of_the_one_other_modality() -> None:
    """Where text cannot be all that was cached, the rest is of the audio there is."""
    assert read(
        CHAT,
        prompt_tokens=100,
        completion_tokens=0,
        prompt_tokens_details={"audio_tokens": 80, "cached_tokens": 50},
    ) == {
        "cache_read_tokens": 20,
        "cache_read_audio_tokens": 30,
        "audio_input_tokens": 50,
    }


def test_reasoning_beside_the_completion_shows_in_the_total() -> None:
    """Whoever speaks OpenAI's API, the total decides where reasoning stands."""
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 22,
        "completion_tokens_details": {"reasoning_tokens": 7},
    }
    apart = {
        "text_input_tokens": 10,
        "text_output_tokens": 5,
        "reasoning_output_tokens": 7,
    }
    assert read(CHAT, **usage) == read("xai.chat_completions", **usage) == apart
    del usage["total_tokens"]
    assert read("xai.chat_completions", **usage) == apart
    assert refused(CHAT, **usage).field == "usage.completion_tokens"


def test_xai_whose_total_leaves_no_room_for_reasoning_beside() -> None:
    """What its documentation says gives way to a total that says otherwise."""
    assert (
        read(
            "xai.chat_completions",
            prompt_tokens=10,
            completion_tokens=9,
            total_tokens=19,
            completion_tokens_details={"reasoning_tokens": 7},
        )["text_output_tokens"]
        == 2
    )


def test_xai_whose_total_includes_reasoning_in_the_completion() -> None:
    """Its Responses API, and gateways, count as OpenAI does; the total shows it."""
    assert read(
        "xai.responses",
        input_tokens=10,
        output_tokens=9,
        total_tokens=19,
        output_tokens_details={"reasoning_tokens": 7},
    ) == {
        "text_input_tokens": 10,
        "text_output_tokens": 2,
        "reasoning_output_tokens": 7,
    }


def test_a_prompt_beside_its_cached_tokens_shows_in_the_total() -> None:
    """A gateway that passes Anthropic's counts on is read as the total adds up."""
    assert read(
        CHAT,
        prompt_tokens=10,
        completion_tokens=5,
        total_tokens=415,
        prompt_tokens_details={"cached_tokens": 400},
    ) == {
        "text_input_tokens": 10,
        "cache_read_tokens": 400,
        "text_output_tokens": 5,
    }


def test_a_total_with_more_in_it_is_gemini_hiding_its_thoughts() -> None:
    """Of everybody else it is a contradiction: somebody was billed for it."""
    usage = {"prompt_tokens": 35, "completion_tokens": 12, "total_tokens": 109}
    body = {"model": "google/gemini-2.5-pro", "usage": usage}
    assert usage_from_response(body, CHAT).text_output_tokens == 12
    assert refused(CHAT, **usage).field == "usage.total_tokens"


def test_deepseek_prompts_are_hits_and_misses() -> None:
    """What hit DeepSeek's cache was read from it; hits and misses are the prompt."""
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 8,
        "prompt_cache_hit_tokens": 64,
        "prompt_cache_miss_tokens": 36,
    }
    assert read("deepseek.chat_completions", **usage) == {
        "text_input_tokens": 36,
        "cache_read_tokens": 64,
        "text_output_tokens": 8,
    }
    wrong = usage | {"prompt_cache_miss_tokens": 40}
    fault = refused("deepseek.chat_completions", **wrong)
    assert fault.field == "usage.prompt_tokens"


def test_responses_count_the_searches_of_their_output() -> None:
    """A search is counted; opening the page that it found is not."""
    body = {
        "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
        "output": [
            {"type": "web_search_call", "action": {"type": "search"}},
            {"type": "web_search_call", "action": {"type": "open_page"}},
            {"type": "message"},
        ],
    }
    assert usage_from_response(body, "openai.responses").web_searches == 1


def test_embeddings_may_state_the_total_alone() -> None:
    """Of embeddings, input is all that there is."""
    assert read("openai.embeddings", total_tokens=7) == {"text_input_tokens": 7}


def test_images_are_counted_and_their_tokens_too() -> None:
    """Output tokens of images are image tokens; without usage there is the count."""
    body: dict[str, object] = {"data": [{}, {}]}
    assert said(usage_from_response(body, "openai.images")) == {"image_count": 2}
    body["usage"] = {
        "input_tokens": 50,
        "output_tokens": 4160,
        "total_tokens": 4210,
        "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
    }
    assert said(usage_from_response(body, "openai.images")) == {
        "text_input_tokens": 10,
        "image_input_tokens": 40,
        "image_output_tokens": 4160,
        "image_count": 2,
    }


def test_transcriptions_are_billed_by_tokens_or_by_length() -> None:
    """Both kinds of usage are read, and a verbose answer's duration."""
    shape = "openai.audio_transcriptions"
    assert read(
        shape,
        type="tokens",
        input_tokens=14,
        input_token_details={"text_tokens": 4, "audio_tokens": 10},
        output_tokens=9,
        total_tokens=23,
    ) == {"text_input_tokens": 4, "audio_input_tokens": 10, "text_output_tokens": 9}
    assert read(shape, input_tokens=14, output_tokens=9)["audio_input_tokens"] == 14
    assert read(shape, type="duration", seconds=9) == {"audio_seconds": 9}
    verbose = {"text": "…", "duration": "2.5"}
    heard = usage_from_response(verbose, "openai.audio_translations")
    assert heard.audio_seconds == Decimal("2.5")


def test_speech_is_billed_by_tokens_or_by_characters() -> None:
    """An answer's usage is audio; a request says how many characters were spoken."""
    shape = "openai.audio_speech"
    tokens = read(shape, input_tokens=3, output_tokens=40, total_tokens=43)
    assert tokens == {"text_input_tokens": 3, "audio_output_tokens": 40}
    request = {"model": "tts-1", "input": "hello"}
    assert said(usage_from_response(request, shape)) == {"characters": 5}


def test_a_realtime_response_stands_in_its_event() -> None:
    """`response.done` is read, cached tokens by modality with it."""
    event = {
        "type": "response.done",
        "response": {
            "id": "resp_1",
            "usage": {
                "total_tokens": 253,
                "input_tokens": 132,
                "output_tokens": 121,
                "input_token_details": {
                    "text_tokens": 119,
                    "audio_tokens": 13,
                    "cached_tokens": 64,
                    "cached_tokens_details": {"text_tokens": 60, "audio_tokens": 4},
                },
                "output_token_details": {"text_tokens": 30, "audio_tokens": 91},
            },
        },
    }
    reading = reading_from_response(event, "openai.realtime")
    assert reading.response_id == "resp_1"
    assert said(reading.usage) == {
        "text_input_tokens": 59,
        "audio_input_tokens": 9,
        "cache_read_tokens": 60,
        "cache_read_audio_tokens": 4,
        "text_output_tokens": 30,
        "audio_output_tokens": 91,
    }


def test_anthropic_input_stands_beside_the_cached() -> None:
    """Nothing is taken out of it; what has no lifetime was written for five minutes."""
    usage = {
        "input_tokens": 10,
        "output_tokens": 30,
        "cache_read_input_tokens": 400,
        "cache_creation_input_tokens": 70,
        "cache_creation": {
            "ephemeral_5m_input_tokens": 20,
            "ephemeral_1h_input_tokens": 40,
        },
        "output_tokens_details": {"thinking_tokens": 12},
        "server_tool_use": {"web_search_requests": 2},
    }
    expected = {
        "text_input_tokens": 10,
        "cache_read_tokens": 400,
        "cache_write_5m_tokens": 30,
        "cache_write_1h_tokens": 40,
        "text_output_tokens": 18,
        "reasoning_output_tokens": 12,
        "web_searches": 2,
    }
    assert read("anthropic.messages", **usage) == expected
    del usage["cache_creation_input_tokens"]
    five_minutes = expected | {"cache_write_5m_tokens": 20}
    assert read("anthropic.messages", **usage) == five_minutes
    wrong = refused("anthropic.messages", **usage, cache_creation_input_tokens=59)
    assert wrong.field == "usage.cache_creation_input_tokens"


def test_what_anthropic_bills_beside_a_message_is_told() -> None:
    """Compaction and an advisor's model are no part of the message, nor forgotten."""
    body = {
        "model": "claude-sonnet-5",
        "usage": {
            "input_tokens": 5,
            "output_tokens": 7,
            "iterations": [
                {"type": "message", "input_tokens": 5, "output_tokens": 7},
                {"type": "compaction", "input_tokens": 900, "output_tokens": 90},
                {
                    "type": "advisor_message",
                    "model": "claude-opus-4-8",
                    "input_tokens": 20,
                    "output_tokens": 2,
                },
            ],
        },
    }
    reading = reading_from_response(body, "anthropic.messages")
    assert said(reading.usage) == {"text_input_tokens": 5, "text_output_tokens": 7}
    assert [(b.kind, b.model, said(b.usage)) for b in reading.beside] == [
        ("compaction", None, {"text_input_tokens": 900, "text_output_tokens": 90}),
        (
            "advisor_message",
            "claude-opus-4-8",
            {"text_input_tokens": 20, "text_output_tokens": 2},
        ),
    ]


def test_gemini_thoughts_and_tool_results_are_counted_apart() -> None:
    """Thoughts are added to the candidates, tool results to the prompt."""
    assert read(
        GEMINI,
        promptTokenCount=100,
        promptTokensDetails=modal(TEXT=20, DOCUMENT=50, AUDIO=30),
        cachedContentTokenCount=40,
        cacheTokensDetails=modal(DOCUMENT=30, AUDIO=6, TEXT=4),
        toolUsePromptTokenCount=9,
        toolUsePromptTokensDetails=modal(IMAGE=9),
        candidatesTokenCount=25,
        candidatesTokensDetails=modal(IMAGE=20),
        thoughtsTokenCount=11,
        totalTokenCount=145,
    ) == {
        "text_input_tokens": 16,
        "image_input_tokens": 29,
        "audio_input_tokens": 24,
        "cache_read_tokens": 4,
        "cache_read_image_tokens": 30,
        "cache_read_audio_tokens": 6,
        "text_output_tokens": 5,
        "image_output_tokens": 20,
        "reasoning_output_tokens": 11,
    }


def test_gemini_candidates_that_include_thoughts_show_in_the_total() -> None:
    """Where only so the total adds up, thoughts are taken out of the candidates."""
    assert read(
        GEMINI,
        promptTokenCount=10,
        candidatesTokenCount=25,
        thoughtsTokenCount=11,
        totalTokenCount=35,
    ) == {
        "text_input_tokens": 10,
        "text_output_tokens": 14,
        "reasoning_output_tokens": 11,
    }


def test_gemini_searches_are_those_that_an_answer_is_grounded_in() -> None:
    """Each query of the grounding counts; the prompt's price rule stands elsewhere."""
    body = {
        "usage_metadata": {"prompt_token_count": 3, "total_token_count": 3},
        "candidates": [{"grounding_metadata": {"web_search_queries": ["a", "b"]}}],
        "model_version": "gemini-3-pro",
    }
    reading = reading_from_response(body, "vertex.generate_content")
    assert reading.response_model == "gemini-3-pro"
    assert said(reading.usage) == {"text_input_tokens": 3, "web_searches": 2}


def test_bedrock_counts_beside_the_cached_by_lifetime() -> None:
    """Totals with and without the cached tokens are both its own; others are not."""
    usage = {
        "inputTokens": 3,
        "outputTokens": 5,
        "cacheReadInputTokens": 100,
        "cacheWriteInputTokens": 40,
        "cacheDetails": [
            {"ttl": "1h", "inputTokens": 30},
            {"ttl": "5m", "inputTokens": 10},
        ],
    }
    expected = {
        "text_input_tokens": 3,
        "cache_read_tokens": 100,
        "cache_write_5m_tokens": 10,
        "cache_write_1h_tokens": 30,
        "text_output_tokens": 5,
    }
    assert read("bedrock.converse", **usage, totalTokens=148) == expected
    assert read("bedrock.converse", **usage, totalTokens=8) == expected
    fault = refused("bedrock.converse", **usage, totalTokens=50)
    assert fault.field == "usage.totalTokens"


def test_mistral_hears_in_seconds_and_reads_in_pages() -> None:
    """Audio is counted in seconds beside the tokens, documents in pages."""
    assert read(
        "mistral.audio_transcriptions",
        prompt_audio_seconds=203,
        prompt_tokens=4,
        completion_tokens=635,
        total_tokens=3264,
    ) == {"text_input_tokens": 4, "text_output_tokens": 635, "audio_seconds": 203}
    chat = {"prompt_tokens": 4, "completion_tokens": 1, "prompt_audio_seconds": {}}
    assert read("mistral.chat_completions", **chat)["text_input_tokens"] == 4
    assert read("mistral.ocr", pages_processed=29, doc_size_bytes=1) == {"pages": 29}


@pytest.mark.parametrize("place", ["usage", "meta"])
def test_cohere_is_read_by_what_it_bills(place: str) -> None:
    """Both versions of its API: billed units first, tokens where there are none."""
    units = {"input_tokens": 5.0, "output_tokens": 7.0}
    tokens = {"input_tokens": 70, "output_tokens": 9}
    both = {place: {"billed_units": units, "tokens": tokens, "cached_tokens": 64}}
    billed = {"text_input_tokens": 5, "text_output_tokens": 7}
    assert said(usage_from_response(both, "cohere.chat")) == billed
    only_tokens = {place: {"tokens": tokens}}
    assert usage_from_response(only_tokens, "cohere.chat").text_input_tokens == 70
    searches = {place: {"billed_units": {"search_units": 2}}}
    assert said(usage_from_response(searches, "cohere.rerank")) == {"queries": 2}
    images = {place: {"billed_units": {"images": 1, "image_tokens": 90}}}
    embedded = said(usage_from_response(images, "cohere.embed"))
    assert embedded == {"image_input_tokens": 90, "image_count": 1}


def test_opentelemetry_by_new_names_and_old() -> None:
    """A span's attributes include what is cached; older spellings mean the same."""
    new = {
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 20,
        "gen_ai.usage.cache_read.input_tokens": 30,
        "gen_ai.usage.cache_write.input_tokens": 10,
        "gen_ai.usage.reasoning.output_tokens": 5,
        "gen_ai.usage.audio.input_tokens": 15,
        "gen_ai.usage.audio.cache_read.input_tokens": 6,
        "gen_ai.response.model": "m-1",
        "gen_ai.response.id": "r-1",
    }
    reading = reading_from_response(new)
    assert reading.shape == "otel.gen_ai"
    assert (reading.response_model, reading.response_id) == ("m-1", "r-1")
    assert said(reading.usage) == {
        "text_input_tokens": 51,
        "audio_input_tokens": 9,
        "cache_read_tokens": 24,
        "cache_read_audio_tokens": 6,
        "cache_write_5m_tokens": 10,
        "text_output_tokens": 15,
        "reasoning_output_tokens": 5,
    }
    otlp = [{"key": name, "value": {"intValue": str(n)}} for name, n in new.items()]
    span = {"attributes": otlp, "name": "chat m-1"}
    assert usage_from_response(span, "otel.gen_ai") == reading.usage
    otlp[0]["value"] = {"intValue": "many"}
    with pytest.raises(UsageUnreadable, match=r"gen_ai\.usage\.input_tokens is text"):
        usage_from_response(span, "otel.gen_ai")
    old = {
        "gen_ai.usage.prompt_tokens": 100,
        "gen_ai.usage.completion_tokens": 20,
        "gen_ai.usage.cache_creation.input_tokens": 10,
        "gen_ai.usage.reasoning_tokens": 5,
    }
    assert said(usage_from_response({"attributes": old}, "otel.gen_ai")) == {
        "text_input_tokens": 90,
        "cache_write_5m_tokens": 10,
        "text_output_tokens": 15,
        "reasoning_output_tokens": 5,
    }


@pytest.mark.parametrize(
    ("stated", "total"),
    [(10, None), (60, 120), (110, None)],
)
def test_opentelemetry_that_leaves_cached_tokens_out(
    stated: int, total: int | None
) -> None:
    """Seen where so many cannot be in it, and where only with them a total is right."""
    said_of = {
        "gen_ai.usage.input_tokens": stated,
        "gen_ai.usage.output_tokens": 20,
        "gen_ai.usage.cache_read.input_tokens": 30,
        "gen_ai.usage.cache_write.input_tokens": 10,
        "gen_ai.usage.total_tokens": total,
    }
    usage = usage_from_response(said_of, "otel.gen_ai")
    fresh = 70 if stated == 110 else stated
    assert said(usage) == {
        "text_input_tokens": fresh,
        "cache_read_tokens": 30,
        "cache_write_5m_tokens": 10,
        "text_output_tokens": 20,
    }


def test_what_a_provider_says_of_cost_tier_and_itself_is_kept() -> None:
    """There are xAI's ticks, OpenRouter's dollars, and the tier that served."""
    tokens = {"prompt_tokens": 1, "completion_tokens": 1}
    ticks = {"usage": tokens | {"cost_in_usd_ticks": 37_756_000}, "id": "x"}
    reading = reading_from_response(ticks)
    assert reading.shape == "xai.chat_completions"
    assert str(reading.provider_cost_usd) == "0.003775600000"
    dollars = {"usage": tokens | {"cost": 0.00014}, "service_tier": "flex"}
    fields = reading_from_response(dollars, "openrouter.chat").event_fields()
    assert str(fields["provider_cost_usd"]) == "0.000140000000"
    assert fields["service_tier"] == "flex"
    computed = {"usage": tokens | {"cost": 1.5}}
    assert reading_from_response(computed, "litellm").provider_cost_usd is None
    ordinary = {"usageMetadata": {"promptTokenCount": 1, "trafficType": "ON_DEMAND"}}
    assert reading_from_response(ordinary).service_tier == "standard"


class Modality(Enum):
    """As client libraries have it."""

    TEXT = "TEXT"


@dataclass
class Detail:
    """As client libraries have it."""

    modality: Modality
    token_count: int


def test_bodies_may_be_objects() -> None:
    """Whatever can say its fields is read as if it were a dictionary."""

    class Dumping:
        def model_dump(self) -> dict[str, object]:
            return {"usage": SimpleNamespace(prompt_tokens=3, completion_tokens=4)}

    assert usage_from_response(Dumping(), CHAT).text_output_tokens == 4
    usage = SimpleNamespace(
        prompt_token_count=5, prompt_tokens_details=[Detail(Modality.TEXT, 5)]
    )
    body = SimpleNamespace(usage_metadata=usage, candidates=None)
    assert usage_from_response(body, GEMINI).text_input_tokens == 5


def test_the_usage_part_alone_will_do() -> None:
    """Who has only the usage of an answer can give that."""
    usage = usage_from_response(
        {"input_tokens": 3, "output_tokens": 4}, "anthropic.chat"
    )
    assert said(usage) == {"text_input_tokens": 3, "text_output_tokens": 4}


@pytest.mark.parametrize(
    ("usage", "field"),
    [
        ({"prompt_tokens": -1, "completion_tokens": 1}, "usage.prompt_tokens"),
        ({"prompt_tokens": "12", "completion_tokens": 1}, "usage.prompt_tokens"),
        ({"prompt_tokens": True, "completion_tokens": 1}, "usage.prompt_tokens"),
        ({"prompt_tokens": 1.5, "completion_tokens": 1}, "usage.prompt_tokens"),
        ({"prompt_tokens": 10**13, "completion_tokens": 1}, "usage.prompt_tokens"),
        ({"prompt_tokens": float("nan")}, "usage.prompt_tokens"),
        ({"prompt_tokens": [3]}, "usage.prompt_tokens"),
        (
            {"prompt_tokens": 9, "prompt_tokens_details": 3},
            "usage.prompt_tokens_details",
        ),
        (
            {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 10}},
            "usage.prompt_tokens",
        ),
        (
            {"prompt_tokens": 9, "prompt_tokens_details": {"audio_tokens": 10}},
            "usage.prompt_tokens",
        ),
        (
            {"prompt_tokens": 9, "prompt_tokens_details": {"text_tokens": 10}},
            "usage.prompt_tokens_details.text_tokens",
        ),
        (
            {
                "prompt_tokens": 9,
                "prompt_tokens_details": {
                    "audio_tokens": 4,
                    "image_tokens": 4,
                    "cached_tokens": 5,
                },
            },
            "usage.prompt_tokens",
        ),
        (
            {"completion_tokens": 9, "completion_tokens_details": {"audio_tokens": 10}},
            "usage.completion_tokens",
        ),
        (
            {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 3},
            "usage.total_tokens",
        ),
        (
            {
                "prompt_tokens": 9,
                "prompt_tokens_details": {"cached_tokens": 3},
                "cached_tokens": 4,
            },
            "usage.cached_tokens",
        ),
        (
            {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 19},
            "usage.total_tokens",
        ),
        ({}, "usage"),
        ({"total_tokens": 5}, "usage"),
    ],
)
def test_what_contradicts_itself_is_refused(
    usage: dict[str, object], field: str
) -> None:
    """The error names the field and carries the usage part."""
    fault = refused(CHAT, **usage)
    assert fault.field == field
    assert fault.field in str(fault)
    if usage and "nan" not in str(usage):
        assert fault.usage_part == usage


@pytest.mark.parametrize(
    ("shape", "usage", "field"),
    [
        (
            "openai.responses",
            {"input_tokens": 1, "output_tokens": 1, "total_tokens": 9},
            "usage.total_tokens",
        ),
        (
            GEMINI,
            {"promptTokenCount": 5, "promptTokensDetails": modal(TEXT=6)},
            "usageMetadata.promptTokensDetails",
        ),
        (
            GEMINI,
            {"promptTokenCount": 5, "promptTokensDetails": modal(SMELL=5)},
            "usageMetadata.promptTokensDetails[0].modality",
        ),
        (
            GEMINI,
            {"promptTokenCount": 5, "cachedContentTokenCount": 6},
            "usageMetadata.promptTokenCount",
        ),
        (
            GEMINI,
            {"promptTokenCount": 5, "candidatesTokenCount": 5, "totalTokenCount": 7},
            "usageMetadata.totalTokenCount",
        ),
        (
            GEMINI,
            {"promptTokenCount": 5, "candidatesTokenCount": 5, "totalTokenCount": 11},
            "usageMetadata.totalTokenCount",
        ),
        (
            "bedrock.converse",
            {"inputTokens": 1, "cacheDetails": [{"ttl": "1d", "inputTokens": 2}]},
            "usage.cacheDetails[0].ttl",
        ),
        ("cohere.chat", {"billed_units": {}}, "usage.tokens"),
    ],
)
def test_what_other_families_contradict_is_refused(
    shape: str, usage: dict[str, object], field: str
) -> None:
    """Every family holds details against totals."""
    assert refused(shape, **usage).field.startswith(field)


def test_an_error_says_what_cannot_be() -> None:
    """Whoever looks at the dead letter sees the two counts."""
    details = {"cached_tokens": 10}
    fault = refused(CHAT, prompt_tokens=9, prompt_tokens_details=details)
    assert "is 9, less than 10 read from a cache" in str(fault)


def test_no_text_of_a_call_gets_into_an_error() -> None:
    """An error carries the usage, shortened where it is text, and nothing beside it."""
    prompt = "a secret prompt " * 10
    body = {
        "choices": [{"message": {"content": prompt}}],
        "usage": {"prompt_tokens": -1, "note": prompt},
    }
    with pytest.raises(UsageUnreadable) as caught:
        usage_from_response(body, CHAT)
    carried = json.dumps(caught.value.usage_part) + str(caught.value)
    assert "secret" not in carried
    with pytest.raises(UsageUnreadable) as caught:
        usage_from_response({"choices": body["choices"]}, CHAT)
    assert caught.value.usage_part is None


def test_numbers_without_end_are_refused_like_others() -> None:
    """Python's integers know no bound; an error about one can be handed on."""
    cost = {"usage": {"prompt_tokens": 1, "cost": 10**5000}}
    assert reading_from_response(cost, CHAT).provider_cost_usd is None
    fault = refused(CHAT, prompt_tokens=10**5000, completion_tokens=-(10**5000))
    event = usage_not_understood(fault, provider="openai", model="m")
    assert json.loads(event.usage_part)["prompt_tokens"] == "…"


@pytest.mark.parametrize(
    "body", [None, 3, "text", b"\xff", [], "[]", {"usage": "much"}]
)
def test_what_is_no_body_is_refused(body: object) -> None:
    """It is an error of ours, whatever was given, with a shape and without."""
    with pytest.raises(UsageUnreadable):
        usage_from_response(body, CHAT)
    with pytest.raises(UsageError):
        usage_from_response(body)


def test_an_unknown_shape_lists_those_that_are_known() -> None:
    """The error says which names there are."""
    with pytest.raises(UnknownShape, match=r"openai\.chat_completions") as caught:
        usage_from_response({}, "acme.chat")
    assert set(caught.value.known) == SHAPES.keys()


@pytest.mark.parametrize(
    "body",
    [
        {"usage": {"input_tokens": 3, "output_tokens": 4}},
        {"usage": {}},
        {"usage": {"cache_creation": {}, "completion_tokens": 1}},
    ],
)
def test_an_ambiguous_body_needs_its_shape(body: object) -> None:
    """What more than one provider could have said is not guessed at."""
    with pytest.raises(UnknownShape, match="give shape="):
        usage_from_response(body)


@pytest.mark.parametrize("alias", sorted(ALIASES))
def test_every_alias_leads_to_a_shape(alias: str) -> None:
    """No alias names a shape that is not there."""
    assert ALIASES[alias] in SHAPES


def test_buckets_add_up() -> None:
    """Whatever the details, nothing is lost or counted twice."""
    usage = usage_from_response(
        {
            "usage": {
                "prompt_tokens": 50,
                "completion_tokens": 9,
                "prompt_tokens_details": {"cached_tokens": 7, "image_tokens": 3},
            }
        },
        "groq.chat_completions",
    )
    counts = usage.model_dump()
    assert sum(counts[name] for name in INPUT_TOKENS) == 50
    assert sum(counts[name] for name in OUTPUT_TOKENS) == 9


def test_openai_writes_to_its_cache_for_half_an_hour_or_for_twelve() -> None:
    """The two lifetimes have prices of their own, so they stand apart."""
    details = {
        "cached_tokens": 10,
        "cache_write_tokens": 50,
        "cache_write_tokens_details": {"ttl_30m_tokens": 20, "ttl_12h_tokens": 30},
    }
    assert read(
        "openai.responses",
        input_tokens=100,
        output_tokens=1,
        input_tokens_details=details,
    ) == {
        "text_input_tokens": 40,
        "cache_read_tokens": 10,
        "cache_write_5m_tokens": 20,
        "cache_write_12h_tokens": 30,
        "text_output_tokens": 1,
    }
    details["cache_write_tokens"] = 49
    assert refused(
        "openai.responses",
        input_tokens=100,
        output_tokens=1,
        input_tokens_details=details,
    ).reason.startswith("has 20, 0 and 30")


def test_reading_a_cache_that_was_asked_for_is_a_class_of_its_own() -> None:
    """Alibaba marks it as ephemeral; without the mark it is an ordinary read."""
    details = {"cached_tokens": 60, "cache_type": "ephemeral"}
    stated = {"prompt_tokens": 100, "completion_tokens": 1, "total_tokens": 101}
    shape = "dashscope.chat_completions"
    asked = usage_from_response(
        {"usage": stated | {"prompt_tokens_details": details}}, shape
    )
    assert (asked.cache_read_explicit_tokens, asked.cache_read_tokens) == (60, 0)
    plain = read(CHAT, **stated, prompt_tokens_details={"cached_tokens": 60})
    assert plain["cache_read_tokens"] == 60


DEEP = {
    "prompt_tokens": 33,
    "completion_tokens": 7163,
    "total_tokens": 7196,
    "citation_tokens": 20016,
    "num_search_queries": 18,
    "reasoning_tokens": 73997,
}


def test_perplexity_bills_reasoning_and_citations_beside_its_total() -> None:
    """Deep research thinks more than it answers, and counts its searches."""
    assert read("perplexity.chat_completions", **DEEP) == {
        "text_input_tokens": 33,
        "text_output_tokens": 7163,
        "reasoning_output_tokens": 73997,
        "citation_tokens": 20016,
        "web_searches": 18,
    }


@pytest.mark.parametrize(
    ("usage", "searches"),
    [
        ({"search_context_size": "low", "cost": {"request_cost": 0.005}}, 1),
        ({"search_context_size": "low", "cost": {"request_cost": 0}}, 0),
        ({"search_context_size": "high"}, 1),
        ({"search_context_size": "high", "cost": 0.1}, 1),
        ({"num_search_queries": 0, "search_context_size": "high"}, 0),
        ({}, 0),
    ],
)
def test_perplexity_searches_once_a_call(
    usage: dict[str, object], searches: int
) -> None:
    """A fee, or the size of what was searched, tells of a search nobody counted."""
    tokens = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    body = {"usage": tokens | usage}
    reading = reading_from_response(body, "perplexity.chat_completions")
    assert reading.usage.web_searches == searches
    assert reading.chosen.get("search_context_size") == usage.get("search_context_size")


@pytest.mark.parametrize(
    ("body", "means"),
    [
        (
            {"usage": {"inputTokens": 7, "outputTokens": 2, "totalTokens": 9}},
            {"text_input_tokens": 7, "text_output_tokens": 2},
        ),
        (
            {"usage": {"input_tokens": 7, "output_tokens": 2}, "type": "message"},
            {"text_input_tokens": 7, "text_output_tokens": 2},
        ),
        (
            {"prompt_token_count": 7, "generation_token_count": 2, "generation": "hi"},
            {"text_input_tokens": 7, "text_output_tokens": 2},
        ),
        (
            {
                "inputTextTokenCount": 7,
                "results": [{"tokenCount": 2, "outputText": "x"}],
            },
            {"text_input_tokens": 7, "text_output_tokens": 2},
        ),
        (
            {
                "amazon-bedrock-invocationMetrics": {
                    "inputTokenCount": 7,
                    "outputTokenCount": 2,
                    "invocationLatency": 812,
                }
            },
            {"text_input_tokens": 7, "text_output_tokens": 2},
        ),
        ({"inputTextTokenCount": 7, "embedding": [0.1]}, {"text_input_tokens": 7}),
    ],
)
def test_bedrock_invokes_each_model_in_its_own_words(
    body: dict[str, object], means: dict[str, int]
) -> None:
    """Nova, Claude, Llama, Titan, and the metrics that Bedrock adds to a stream."""
    assert said(usage_from_response(body, "bedrock.invoke")) == means


def test_documents_are_billed_by_pages_annotations_and_credits() -> None:
    """Each of them is a unit of its own."""
    assert read(
        "mistral.ocr",
        pages_processed=3,
        pages_processed_annotation=2,
        credits=4.0,
        doc_size_bytes=1234,
    ) == {"pages": 3, "annotated_pages": 2, "credits": 4}


def test_gemini_grounds_in_maps_too() -> None:
    """A candidate with places in its sources asked Google Maps once."""
    body = {
        "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1},
        "candidates": [
            {"groundingMetadata": {"groundingChunks": [{"maps": {"uri": "u"}}, {}]}},
            {"grounding_metadata": {"grounding_chunks": [{"web": {"uri": "u"}}]}},
            {"groundingMetadata": None},
        ],
    }
    assert usage_from_response(body, GEMINI).maps_queries == 1


@pytest.mark.parametrize(
    ("shape", "body", "fields"),
    [
        (
            "openai.images",
            {"data": [{}], "size": "1024x1536", "quality": "high", "model": "x"},
            {"image_size": "1024x1536", "image_quality": "high"},
        ),
        ("azure.images", {"data": [{}], "size": "auto", "quality": None}, {}),
        (
            "openai.videos",
            {"object": "video", "seconds": "8", "size": "1280x720"},
            {"video_resolution": "1280x720"},
        ),
        (
            "openai.videos",
            {"usage": {"duration_seconds": 4.0, "video_resolution": "1080p"}},
            {"video_resolution": "1080p"},
        ),
        (
            "openai.responses",
            {
                "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2},
                "tools": [
                    {"type": "function", "name": "f"},
                    {"type": "web_search", "search_context_size": "high"},
                ],
            },
            {"search_context_size": "high"},
        ),
    ],
)
def test_what_an_answer_repeats_of_the_request_is_told(
    shape: str, body: dict[str, object], fields: dict[str, str]
) -> None:
    """Sizes, qualities, resolutions and contexts decide on prices."""
    reading = reading_from_response(body, shape)
    assert reading.chosen == fields
    assert fields.items() <= reading.event_fields().items()


def test_videos_are_as_long_as_they_are_ordered() -> None:
    """By the job or by its usage, however many; one that failed costs nothing."""
    assert read("openai.videos", duration_seconds=4.5, video_count=2) == {
        "video_seconds": Decimal(9)
    }
    job = {"object": "video", "seconds": "8", "status": "queued"}
    assert usage_from_response(job, "openai.videos").video_seconds == 8
    failed = job | {"status": "failed"}
    assert said(usage_from_response(failed, "openai.videos")) == {}
    with pytest.raises(UsageUnreadable):
        usage_from_response({"object": "video"}, "openai.videos")


def test_where_anthropic_served_is_the_region() -> None:
    """Serving it in one country costs more; anywhere in the world is no region."""
    for geo, region in (("us", "us"), ("global", None), ("not_available", None)):
        usage = {"input_tokens": 1, "output_tokens": 1, "inference_geo": geo}
        reading = reading_from_response({"usage": usage}, "anthropic.messages")
        assert reading.event_fields().get("region") == region


@pytest.mark.parametrize(
    ("shape", "row"),
    [
        (
            "anthropic.messages",
            {
                "custom_id": "x",
                "result": {
                    "type": "succeeded",
                    "message": {
                        "id": "m",
                        "usage": {"input_tokens": 3, "output_tokens": 4},
                    },
                },
            },
        ),
        (
            CHAT,
            {
                "custom_id": "x",
                "response": {
                    "status_code": 200,
                    "body": {
                        "id": "m",
                        "service_tier": "default",
                        "usage": {"prompt_tokens": 3, "completion_tokens": 4},
                    },
                },
            },
        ),
        (
            "openai.responses",
            {
                "response": {
                    "body": {
                        "id": "m",
                        "usage": {"input_tokens": 3, "output_tokens": 4},
                    }
                }
            },
        ),
    ],
)
def test_a_row_of_a_batch_is_an_answer_in_the_tier_batch(
    shape: str, row: dict[str, object]
) -> None:
    """Results of a batch are read as they are downloaded, at a batch's prices."""
    reading = reading_from_response(row, shape)
    assert (reading.service_tier, reading.response_id) == ("batch", "m")
    assert said(reading.usage) == {"text_input_tokens": 3, "text_output_tokens": 4}


def test_a_last_chunk_of_groqs_will_do() -> None:
    """Its usage stands in a part of its own."""
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    body = {"choices": [], "x_groq": {"id": "r", "usage": usage}}
    found = usage_from_response(body, "groq.chat_completions")
    assert said(found) == {"text_input_tokens": 3, "text_output_tokens": 4}


def test_geminis_modalities_may_be_numbers() -> None:
    """Dictionaries made by protobuf have the numbers of the names."""
    details = [{"modality": 1, "token_count": 6}, {"modality": 4, "token_count": 4}]
    body = {
        "usage_metadata": {
            "prompt_token_count": 10,
            "candidates_token_count": 1,
            "prompt_tokens_details": details,
        }
    }
    found = usage_from_response(body, GEMINI)
    assert (found.text_input_tokens, found.audio_input_tokens) == (6, 4)


def test_spans_in_the_wild_have_details() -> None:
    """Instrumentations put what the conventions had no name for under "details"."""
    span = {
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.usage.details.cache_read_tokens": 4,
        "gen_ai.usage.details.reasoning_tokens": 2,
    }
    found = usage_from_response(span, "otel.gen_ai")
    assert (found.cache_read_tokens, found.reasoning_output_tokens) == (4, 2)
