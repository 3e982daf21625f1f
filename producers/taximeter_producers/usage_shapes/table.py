"""The shapes by name: how each is read, and where its usage and its facts stand.

A name is `<vendor>.<api>`. Vendors that copied OpenAI's APIs have names of their own,
because they do not always mean the same by them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from taximeter_producers.usage_shapes.anthropic import read_messages
from taximeter_producers.usage_shapes.bedrock import (
    METRICS,
    read_converse,
    read_invoke,
)
from taximeter_producers.usage_shapes.bodies import Part
from taximeter_producers.usage_shapes.chosen import (
    Chosen,
    drawn,
    filmed,
    placed,
    searched,
    unsaid,
)
from taximeter_producers.usage_shapes.cohere import read_cohere
from taximeter_producers.usage_shapes.counted import Counted
from taximeter_producers.usage_shapes.google import read_generate_content
from taximeter_producers.usage_shapes.openai_media import (
    read_images,
    read_speech,
    read_transcription,
    read_videos,
)
from taximeter_producers.usage_shapes.openai_tokens import (
    read_chat,
    read_deepseek,
    read_embeddings,
    read_mistral,
    read_responses,
    read_tokens,
    read_xai,
)
from taximeter_producers.usage_shapes.otel import read_attributes
from taximeter_producers.usage_shapes.perplexity import read_perplexity
from taximeter_producers.usage_shapes.totals import (
    read_langchain,
    read_pydantic_ai,
)
from taximeter_schemas.errors import UnknownShape

__all__ = ["ALIASES", "SHAPES", "Shape", "shape_named"]

Read = Callable[[Part, Part], Counted]


@dataclass(frozen=True)
class Shape:
    """One API's way of stating usage.

    Attributes:
        read: counts what its usage, and the body around it, state.
        places: the names under which its usage stands in a body.
        counts: fields by which a usage is recognised that comes without its body.
        stream: whose events its streams consist of, by `streams.JOINS`.
        states_cost: whether a `cost` in its usage is the provider's own.
        chosen: tells what its usage and body say of what was chosen.
    """

    read: Read
    places: tuple[str, ...] = ("usage",)
    counts: tuple[str, ...] = ("prompt_tokens", "completion_tokens", "total_tokens")
    stream: str = "chunks"
    states_cost: bool = True
    chosen: Callable[[Part, Part], Chosen] = unsaid


_NEWER: Final = ("input_tokens", "output_tokens", "total_tokens")


def _read_litellm(usage: Part, body: Part) -> Counted:
    """Read litellm's own, or what it passes on untouched from two newer APIs."""
    beside = ("cache_read_input_tokens", "cache_creation_input_tokens")
    own = usage.states("prompt_tokens", "completion_tokens")
    if not own and usage.states(*beside):
        return read_messages(usage, body)
    return read_tokens(usage)


_CHAT: Final = Shape(read_chat)
_RESPONSES: Final = Shape(
    read_responses, counts=_NEWER, stream="responses", chosen=searched
)
_EMBEDDINGS: Final = Shape(read_embeddings)
_IMAGES: Final = Shape(read_images, counts=_NEWER, chosen=drawn)
_VIDEOS: Final = Shape(read_videos, counts=("duration_seconds",), chosen=filmed)
_HEARING: Final = Shape(read_transcription, counts=(*_NEWER, "seconds"))
_SPEECH: Final = Shape(read_speech, counts=_NEWER)
_MESSAGES: Final = Shape(
    read_messages,
    counts=("input_tokens", "output_tokens"),
    stream="messages",
    chosen=placed,
)
_GEMINI: Final = Shape(
    read_generate_content,
    places=("usageMetadata", "usage_metadata"),
    counts=("promptTokenCount", "prompt_token_count", "candidatesTokenCount"),
    stream="gemini",
)
_COHERE: Final = Shape(
    read_cohere,
    places=("usage", "meta"),
    counts=("billed_units", "tokens"),
    stream="cohere",
)
_MISTRAL: Final = Shape(read_mistral)
_XAI: Final = Shape(read_xai)
_XAI_RESPONSES: Final = Shape(read_xai, counts=_NEWER, stream="responses")

SHAPES: Final[Mapping[str, Shape]] = {
    "openai.chat_completions": _CHAT,
    "openai.completions": _CHAT,
    "openai.responses": _RESPONSES,
    "openai.realtime": Shape(
        lambda usage, body: read_tokens(usage, exactly=True),
        counts=_NEWER,
        stream="responses",
    ),
    "openai.embeddings": _EMBEDDINGS,
    "openai.images": _IMAGES,
    "openai.videos": _VIDEOS,
    "openai.audio_transcriptions": _HEARING,
    "openai.audio_translations": _HEARING,
    "openai.audio_speech": _SPEECH,
    "azure.chat_completions": _CHAT,
    "azure.responses": _RESPONSES,
    "azure.embeddings": _EMBEDDINGS,
    "azure.images": _IMAGES,
    "azure.videos": _VIDEOS,
    "azure.audio_transcriptions": _HEARING,
    "azure.audio_translations": _HEARING,
    "azure.audio_speech": _SPEECH,
    "anthropic.messages": _MESSAGES,
    "google.generate_content": _GEMINI,
    "vertex.generate_content": _GEMINI,
    "bedrock.converse": Shape(
        read_converse, counts=("inputTokens", "outputTokens"), stream="bedrock"
    ),
    "bedrock.invoke": Shape(
        read_invoke,
        places=("usage", METRICS),
        counts=(
            "inputTokens",
            "input_tokens",
            "inputTokenCount",
            "inputTextTokenCount",
            "prompt_token_count",
        ),
        stream="invoked",
    ),
    "mistral.chat_completions": _MISTRAL,
    "mistral.embeddings": _EMBEDDINGS,
    "mistral.audio_transcriptions": _MISTRAL,
    "mistral.ocr": Shape(read_mistral, places=("usage_info",)),
    "cohere.chat": _COHERE,
    "cohere.embed": _COHERE,
    "cohere.rerank": _COHERE,
    "groq.chat_completions": _CHAT,
    "groq.responses": _RESPONSES,
    "groq.audio_transcriptions": _HEARING,
    "groq.audio_translations": _HEARING,
    "deepseek.chat_completions": Shape(
        read_deepseek,
        counts=("prompt_tokens", "completion_tokens", "prompt_cache_hit_tokens"),
    ),
    "xai.chat_completions": _XAI,
    "xai.responses": _XAI_RESPONSES,
    "perplexity.chat_completions": Shape(read_perplexity, chosen=searched),
    "openrouter.chat_completions": _CHAT,
    "openrouter.responses": _RESPONSES,
    "openrouter.embeddings": _EMBEDDINGS,
    "litellm.usage": Shape(
        _read_litellm,
        counts=(*_CHAT.counts, "input_tokens", "output_tokens"),
        states_cost=False,
        chosen=placed,
    ),
    "langchain.usage_metadata": Shape(
        read_langchain, places=("usage_metadata",), counts=_NEWER, states_cost=False
    ),
    "pydantic_ai.usage": Shape(read_pydantic_ai, counts=_NEWER, states_cost=False),
    "otel.gen_ai": Shape(read_attributes, places=(), states_cost=False),
}

_SAME_VENDOR: Final = {
    "azure_openai": "azure",
    "azure_ai": "azure",
    "gemini": "google",
    "vertex_ai": "vertex",
    "google_vertex": "vertex",
    "vertexai": "vertex",
    "aws": "bedrock",
    "aws_bedrock": "bedrock",
    "amazon_bedrock": "bedrock",
    "mistralai": "mistral",
    "x_ai": "xai",
    "grok": "xai",
    "open_router": "openrouter",
    "opentelemetry": "otel",
}
_SAME_API: Final = {
    "chat": "chat_completions",
    "chat.completions": "chat_completions",
    "completion": "completions",
    "embedding": "embeddings",
    "image": "images",
    "image_generation": "images",
    "image_generations": "images",
    "images.generations": "images",
    "video": "videos",
    "video_generation": "videos",
    "invoke_model": "invoke",
    "invokemodel": "invoke",
    "images.edits": "images",
    "image_edit": "images",
    "transcription": "audio_transcriptions",
    "transcriptions": "audio_transcriptions",
    "audio_transcription": "audio_transcriptions",
    "audio.transcriptions": "audio_transcriptions",
    "translation": "audio_translations",
    "translations": "audio_translations",
    "audio_translation": "audio_translations",
    "audio.translations": "audio_translations",
    "speech": "audio_speech",
    "audio.speech": "audio_speech",
    "tts": "audio_speech",
    "response": "responses",
    "message": "messages",
    "generatecontent": "generate_content",
}

ALIASES: Final[Mapping[str, str]] = {
    "anthropic.chat": "anthropic.messages",
    "vertex.messages": "anthropic.messages",
    "bedrock.messages": "anthropic.messages",
    "google.chat": "google.generate_content",
    "vertex.chat": "vertex.generate_content",
    "google.embed_content": "google.generate_content",
    "google.live": "google.generate_content",
    "bedrock.chat": "bedrock.converse",
    "bedrock.converse_stream": "bedrock.converse",
    "bedrock.invoke_with_response_stream": "bedrock.invoke",
    "dashscope.chat_completions": "openai.chat_completions",
    "cohere.chat_v1": "cohere.chat",
    "cohere.chat_v2": "cohere.chat",
    "cohere.chat_completions": "cohere.chat",
    "cohere.embeddings": "cohere.embed",
    "cohere.generate": "cohere.chat",
    "cohere.classify": "cohere.chat",
    "google.chat_completions": "openai.chat_completions",
    "vertex.chat_completions": "openai.chat_completions",
    "bedrock.chat_completions": "openai.chat_completions",
    "anthropic.chat_completions": "openai.chat_completions",
    "bedrock.responses": "openai.responses",
    "litellm": "litellm.usage",
    "litellm.chat_completions": "litellm.usage",
    "litellm.completions": "litellm.usage",
    "litellm.responses": "litellm.usage",
    "litellm.embeddings": "litellm.usage",
    "otel": "otel.gen_ai",
    "otel.genai": "otel.gen_ai",
    "otel.attributes": "otel.gen_ai",
    "otel.span": "otel.gen_ai",
}


def shape_named(name: str) -> tuple[str, Shape]:
    """Return a shape and its proper name.

    >>> shape_named("Azure-OpenAI/chat.completions")[0]
    'azure.chat_completions'
    >>> shape_named("gemini.generateContent")[0]
    'google.generate_content'

    Raises:
        UnknownShape: there is none of this name; the error lists those that are known.
    """
    plain = name.strip().lower().replace("-", "_").replace("/", ".")
    vendor, _, api = plain.partition(".")
    vendor = _SAME_VENDOR.get(vendor, vendor)
    candidates = (
        plain,
        f"{vendor}.{api}",
        f"{vendor}.{_SAME_API.get(api, api)}",
        vendor,
    )
    for candidate in candidates[:3] if api else candidates:
        proper = ALIASES.get(candidate, candidate)
        if proper in SHAPES:
            return proper, SHAPES[proper]
    raise UnknownShape(name, sorted(SHAPES))
