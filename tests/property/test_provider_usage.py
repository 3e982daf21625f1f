"""Whatever a provider counts consistently adds up in our buckets, or is refused."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from taximeter_producers import (
    reading_from_response,
    usage_from_response,
    usage_from_stream,
)
from taximeter_producers.usage_shapes.table import SHAPES
from taximeter_schemas.errors import UsageError
from taximeter_schemas.usage import INPUT_TOKENS, OUTPUT_TOKENS, Usage

tokens = st.integers(0, 50) | st.integers(0, 10**9)


@st.composite
def usages(draw: st.DrawFn, *names: str) -> Usage:
    """Any usage of these buckets."""
    return Usage.model_validate({name: draw(tokens) for name in names})


def sums(usage: Usage) -> tuple[int, int]:
    """All input and all output."""
    counts = usage.model_dump()
    return sum(counts[n] for n in INPUT_TOKENS), sum(counts[n] for n in OUTPUT_TOKENS)


OPENAI = usages(
    "text_input_tokens",
    "audio_input_tokens",
    "image_input_tokens",
    "video_input_tokens",
    "cache_read_tokens",
    "cache_read_audio_tokens",
    "cache_read_image_tokens",
    "cache_write_5m_tokens",
    "text_output_tokens",
    "audio_output_tokens",
    "reasoning_output_tokens",
)


def _openai(usage: Usage, *, newer: bool, apart: bool = False) -> dict[str, Any]:
    """State a usage as OpenAI does; `apart` leaves reasoning out of the output."""
    given, made = sums(usage)
    cached = (
        usage.cache_read_tokens
        + usage.cache_read_audio_tokens
        + usage.cache_read_image_tokens
    )
    names = ("input", "output") if newer else ("prompt", "completion")
    visible = made - usage.reasoning_output_tokens if apart else made
    return {
        f"{names[0]}_tokens": given,
        f"{names[1]}_tokens": visible,
        "total_tokens": given + made,
        f"{names[0]}_tokens_details": {
            "cached_tokens": cached,
            "cached_tokens_details": {
                "audio_tokens": usage.cache_read_audio_tokens,
                "image_tokens": usage.cache_read_image_tokens,
            },
            "audio_tokens": usage.audio_input_tokens + usage.cache_read_audio_tokens,
            "image_tokens": usage.image_input_tokens + usage.cache_read_image_tokens,
            "video_tokens": usage.video_input_tokens,
            "cache_write_tokens": usage.cache_write_5m_tokens,
        },
        f"{names[1]}_tokens_details": {
            "audio_tokens": usage.audio_output_tokens,
            "reasoning_tokens": usage.reasoning_output_tokens,
        },
    }


@given(OPENAI, st.booleans())
def test_openai(usage: Usage, apart: bool) -> None:
    """What OpenAI, or xAI in its manner, says of a usage is that usage again."""
    chat = {"usage": _openai(usage, newer=False, apart=apart)}
    for shape in ("openai.chat_completions", "xai.chat_completions"):
        assert usage_from_response(chat, shape) == usage
    newer = {"usage": _openai(usage, newer=True)}
    assert usage_from_response(newer, "openai.responses") == usage
    assert usage_from_response(chat["usage"], "litellm.usage") == usage


@given(
    usages(
        "text_input_tokens",
        "cache_read_tokens",
        "cache_write_5m_tokens",
        "cache_write_1h_tokens",
        "text_output_tokens",
        "reasoning_output_tokens",
    ),
    st.booleans(),
)
def test_anthropic(usage: Usage, summed: bool) -> None:
    """Anthropic's input beside the cached adds up to all input."""
    body: dict[str, Any] = {
        "input_tokens": usage.text_input_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_5m_tokens,
            "ephemeral_1h_input_tokens": usage.cache_write_1h_tokens,
        },
        "output_tokens": sums(usage)[1],
        "output_tokens_details": {"thinking_tokens": usage.reasoning_output_tokens},
    }
    if summed:
        written = usage.cache_write_5m_tokens + usage.cache_write_1h_tokens
        body["cache_creation_input_tokens"] = written
    assert usage_from_response({"usage": body}, "anthropic.messages") == usage


@given(
    usages(
        "text_input_tokens",
        "cache_read_tokens",
        "cache_write_5m_tokens",
        "cache_write_1h_tokens",
        "text_output_tokens",
    )
)
def test_bedrock(usage: Usage) -> None:
    """Converse's counts beside each other add up to its total."""
    details = {"5m": usage.cache_write_5m_tokens, "1h": usage.cache_write_1h_tokens}
    body = {
        "inputTokens": usage.text_input_tokens,
        "outputTokens": usage.text_output_tokens,
        "cacheReadInputTokens": usage.cache_read_tokens,
        "cacheWriteInputTokens": sum(details.values()),
        "cacheDetails": [{"ttl": t, "inputTokens": n} for t, n in details.items()],
        "totalTokens": sum(sums(usage)),
    }
    assert usage_from_response({"usage": body}, "bedrock.converse") == usage


def _listed(**by_modality: int) -> list[dict[str, object]]:
    return [{"modality": m, "tokenCount": n} for m, n in by_modality.items() if n]


@given(
    usages(
        "text_input_tokens",
        "audio_input_tokens",
        "image_input_tokens",
        "video_input_tokens",
        "cache_read_tokens",
        "cache_read_audio_tokens",
        "cache_read_image_tokens",
        "text_output_tokens",
        "image_output_tokens",
        "reasoning_output_tokens",
    ),
    st.integers(0, 1000),
)
def test_gemini(usage: Usage, tool_text: int) -> None:
    """Gemini's lists, thoughts and tool results are the usage that they came from."""
    given_tokens, made = sums(usage)
    audio, image = usage.cache_read_audio_tokens, usage.cache_read_image_tokens
    body = {
        "promptTokenCount": given_tokens,
        "promptTokensDetails": _listed(
            TEXT=usage.text_input_tokens + usage.cache_read_tokens,
            AUDIO=usage.audio_input_tokens + audio,
            DOCUMENT=usage.image_input_tokens + image,
            VIDEO=usage.video_input_tokens,
        ),
        "cachedContentTokenCount": usage.cache_read_tokens + audio + image,
        "cacheTokensDetails": _listed(
            TEXT=usage.cache_read_tokens, AUDIO=audio, IMAGE=image
        ),
        "toolUsePromptTokenCount": tool_text,
        "candidatesTokenCount": made - usage.reasoning_output_tokens,
        "candidatesTokensDetails": _listed(IMAGE=usage.image_output_tokens),
        "thoughtsTokenCount": usage.reasoning_output_tokens,
        "totalTokenCount": given_tokens + tool_text + made,
    }
    found = usage_from_response({"usageMetadata": body}, "google.generate_content")
    text = usage.text_input_tokens + tool_text
    assert found == usage.model_copy(update={"text_input_tokens": text})


@given(OPENAI)
def test_opentelemetry(usage: Usage) -> None:
    """A span's attributes are the usage that they came from."""
    given_tokens, made = sums(usage)
    audio, image = usage.cache_read_audio_tokens, usage.cache_read_image_tokens
    counts = {
        "input_tokens": given_tokens,
        "output_tokens": made,
        "cache_read.input_tokens": usage.cache_read_tokens + audio + image,
        "cache_write.input_tokens": usage.cache_write_5m_tokens,
        "reasoning.output_tokens": usage.reasoning_output_tokens,
        "audio.input_tokens": usage.audio_input_tokens + audio,
        "image.input_tokens": usage.image_input_tokens + image,
        "video.input_tokens": usage.video_input_tokens,
        "audio.cache_read.input_tokens": audio,
        "image.cache_read.input_tokens": image,
        "audio.output_tokens": usage.audio_output_tokens,
    }
    span = {f"gen_ai.usage.{name}": n for name, n in counts.items()}
    assert usage_from_response(span, "otel.gen_ai") == usage


FIELDS = st.sampled_from(
    [
        "usage",
        "usageMetadata",
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "input_tokens",
        "output_tokens",
        "prompt_tokens_details",
        "completion_tokens_details",
        "cached_tokens",
        "reasoning_tokens",
        "audio_tokens",
        "cache_creation",
        "cache_read_input_tokens",
        "inputTokens",
        "outputTokens",
        "cacheDetails",
        "ttl",
        "promptTokenCount",
        "promptTokensDetails",
        "modality",
        "tokenCount",
        "thoughtsTokenCount",
        "candidates",
        "cost",
        "cost_details",
        "is_byok",
        "iterations",
        "cost_in_usd_ticks",
        "billed_units",
        "meta",
        "tokens",
        "seconds",
        "duration",
        "data",
        "input",
        "type",
        "attributes",
        "gen_ai.usage.input_tokens",
        "key",
        "value",
        "choices",
        "delta",
        "message",
        "response",
        "model",
        "id",
        "service_tier",
        "output",
        "action",
        "usage_info",
        "prompt_audio_seconds",
    ]
)
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 200)
    | st.integers()
    | st.floats()
    | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(FIELDS | st.text(max_size=2), inner, max_size=5)
    ),
    max_leaves=12,
)


@settings(max_examples=300)
@given(anything, st.sampled_from([None, *SHAPES]))
def test_nothing_but_our_error_comes_out(body: object, shape: str | None) -> None:
    """Any JSON is a usage within its bounds or an error of ours, and never another."""
    for one in (body, {"usage": body}, {"usageMetadata": body}):
        try:
            reading = reading_from_response(one, shape)
        except UsageError:
            continue
        assert min(sums(reading.usage)) >= 0


@settings(max_examples=100)
@given(st.lists(anything, max_size=3), st.sampled_from([None, *SHAPES]))
def test_nothing_but_our_error_comes_out_of_a_stream(
    chunks: list[Any], shape: str | None
) -> None:
    """The same of chunks."""
    try:
        usage_from_stream(chunks, shape)
    except UsageError:
        return


@given(tokens, tokens, tokens | st.none(), st.booleans())
def test_zeroes_say_nothing(
    given_tokens: int, made: int, total: int | None, newer: bool
) -> None:
    """Details that are 0 change nothing: not what is read, and not what is refused."""
    names = ("input", "output") if newer else ("prompt", "completion")
    bare: dict[str, Any] = {"total_tokens": total}
    bare |= {f"{names[0]}_tokens": given_tokens, f"{names[1]}_tokens": made}
    zeroes = {
        f"{names[0]}_tokens_details": {"cached_tokens": 0, "audio_tokens": None},
        f"{names[1]}_tokens_details": {"reasoning_tokens": 0},
    }
    # Says nothing new, but is read the long way.
    spelt = {f"{names[0]}_tokens_details": {"cached_tokens": 0, "text_tokens": 1}}
    for shape in ("litellm.usage", "openai.responses"):
        told = [read(bare | more, shape) for more in ({}, zeroes, spelt)]
        assert told[0] == told[1]
        assert told[0] == told[2] or not given_tokens


def read(usage: dict[str, Any], shape: str) -> Usage | str:
    """What a usage is read as, or why it is refused."""
    try:
        return usage_from_response({"usage": usage}, shape)
    except UsageError as error:
        return str(error)
