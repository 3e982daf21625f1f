"""litellm's counts come out as disjoint buckets that add up to what it counted."""

from __future__ import annotations

from decimal import Decimal

import pytest
from pydantic import BaseModel, ConfigDict

from taximeter_producers.litellm_usage import buckets, fields_in, usage_of
from taximeter_schemas.errors import UsageUnreadable


def test_prompt_tokens_include_caches_and_modalities() -> None:
    """What was cached, written and heard is taken out of the text, and all adds up."""
    found = buckets(
        {
            "prompt_tokens": 1000,
            "completion_tokens": 100,
            "prompt_tokens_details": {
                "cached_tokens": 300,
                "cached_tokens_details": {"audio_tokens": 50},
                "audio_tokens": 80,
                "image_tokens": 20,
                "cache_write_tokens": 90,
                "cache_creation_token_details": {"ephemeral_1h_input_tokens": 40},
            },
            "completion_tokens_details": {"reasoning_tokens": 30, "audio_tokens": 10},
        }
    )
    assert found == {
        "text_input_tokens": 560,
        "cache_read_tokens": 250,
        "cache_read_audio_tokens": 50,
        "cache_write_5m_tokens": 50,
        "cache_write_1h_tokens": 40,
        "audio_input_tokens": 30,
        "image_input_tokens": 20,
        "text_output_tokens": 60,
        "audio_output_tokens": 10,
        "reasoning_output_tokens": 30,
    }
    assert sum(found.values()) == 1100


def test_reasoning_that_a_provider_counts_apart_is_added() -> None:
    """Where the total shows that output excludes reasoning, no text is taken off."""
    found = buckets(
        {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 22,
            "completion_tokens_details": {"reasoning_tokens": 7},
        }
    )
    assert found["text_output_tokens"] == 5
    assert found["reasoning_output_tokens"] == 7


def test_the_responses_api_includes_cached_tokens() -> None:
    """OpenAI's `input_tokens` is read as inclusive."""
    found = buckets(
        {
            "input_tokens": 10,
            "input_tokens_details": {"cached_tokens": 4},
            "output_tokens": 3,
        }
    )
    assert found == {
        "text_input_tokens": 6,
        "cache_read_tokens": 4,
        "text_output_tokens": 3,
    }


def test_the_messages_api_excludes_cached_tokens() -> None:
    """Anthropic's `input_tokens` stands beside the cached ones, not around them."""
    found = buckets(
        {
            "input_tokens": 10,
            "output_tokens": 3,
            "cache_read_input_tokens": 4,
            "cache_creation_input_tokens": 6,
            "cache_creation": {
                "ephemeral_5m_input_tokens": 5,
                "ephemeral_1h_input_tokens": 1,
            },
            "server_tool_use": {"web_search_requests": 2},
        }
    )
    assert found == {
        "text_input_tokens": 10,
        "cache_read_tokens": 4,
        "cache_write_5m_tokens": 5,
        "cache_write_1h_tokens": 1,
        "text_output_tokens": 3,
        "web_searches": 2,
    }


def test_counts_that_contradict_each_other_are_refused() -> None:
    """More cached than sent is no usage that anybody could be charged for."""
    with pytest.raises(UsageUnreadable, match="prompt_tokens"):
        buckets({"prompt_tokens": 3, "prompt_tokens_details": {"cached_tokens": 9}})


def test_images_and_transcriptions_are_read_as_openais() -> None:
    """What is made is image tokens, what is heard audio tokens or seconds."""
    drawn = {"usage": {"input_tokens": 4, "output_tokens": 90}}
    assert usage_of("image_generation", {}, drawn).image_output_tokens == 90
    spoken = {"usage": {"type": "duration", "seconds": 7}}
    assert usage_of("transcription", {}, spoken).audio_seconds == 7


def test_what_is_not_billed_by_tokens_has_its_own_unit() -> None:
    """Images, characters, seconds and searches are counted where tokens are not."""
    image = usage_of("image_generation", {}, {"data": [{}, {}]})
    assert image.image_count == 2
    assert usage_of("speech", {"input": "hello"}, None).characters == 5
    heard = usage_of("transcription", {}, {"duration": 1.5})
    assert heard.audio_seconds == Decimal("1.5")
    billed = {"meta": {"billed_units": {"search_units": 3}}}
    assert usage_of("rerank", {}, billed).queries == 3


def test_fields_of_an_answer() -> None:
    """An object's fields are its stated ones and what a provider added; others stay."""

    class Answer(BaseModel):
        model_config = ConfigDict(extra="allow")

        id: str

    made = Answer.model_validate({"id": "a", "usage": {"total_tokens": 3}})
    assert fields_in(made) == {"id": "a", "usage": {"total_tokens": 3}}
    assert fields_in("text") == "text"
