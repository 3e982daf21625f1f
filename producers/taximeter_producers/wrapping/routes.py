"""Which call a request is: its path says what was asked, its host of whom. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from taximeter_producers.usage_shapes.table import shape_named
from taximeter_schemas.errors import UnknownShape

__all__ = [
    "BATCH",
    "Route",
    "operation_of",
    "provider_at",
    "route_of",
    "shape_for",
]


BATCH: Final = "batch"
"""The `api` of results of a batch: each of its lines says itself what it is."""


@dataclass(frozen=True)
class Route:
    """One API that bills its calls.

    Attributes:
        operation: as an event names it.
        api: as a shape's name has it after the vendor.
        vendor: whose API it is, where the host is nobody's that we know.
        model: the model, where the path names it.
        read_back: whether an earlier call's answer is only read.
    """

    operation: str
    api: str
    vendor: str = "openai"
    model: str | None = None
    read_back: bool = False


_MODEL: Final = r"(?P<model>[^/:]+)"
_INVOKE: Final = r"/invoke(-with-response-stream)?$"
# An ARN of these ends with the model's own name.
_NAMED_BY_ARN: Final = re.compile(r"^arn:.+:(foundation-model|inference-profile)/")
_ROUTES: Final = tuple(
    (re.compile(path), route)
    for path, route in {
        r"/(chat|agents)/completions$": Route("chat", "chat_completions"),
        r"/fim/completions$": Route("completion", "chat_completions", "mistral"),
        r"/completions$": Route("completion", "completions"),
        r"/responses$": Route("responses", "responses"),
        r"/embeddings$": Route("embedding", "embeddings"),
        r"/images/generations$": Route("image_generation", "images"),
        r"/images/(edits|variations)$": Route("image_edit", "images"),
        r"/audio/transcriptions$": Route("transcription", "audio_transcriptions"),
        r"/audio/translations$": Route("transcription", "audio_translations"),
        r"/audio/speech$": Route("speech", "audio_speech"),
        r"/videos$": Route("video_generation", "videos"),
        r"/v1/messages$": Route("chat", "messages", "anthropic"),
        r"/model/(?P<model>.+)/converse(-stream)?$": Route(
            "chat", "converse", "bedrock"
        ),
        rf"/model/(?P<model>.*anthropic\.claude.+){_INVOKE}": Route(
            "chat", "messages", "bedrock"
        ),
        rf"/model/(?P<model>.*embed.+){_INVOKE}": Route(
            "embedding", "invoke", "bedrock"
        ),
        rf"/model/(?P<model>.+){_INVOKE}": Route("chat", "invoke", "bedrock"),
        rf"/anthropic/models/{_MODEL}:(rawPredict|streamRawPredict)$": Route(
            "chat", "messages", "vertex_ai"
        ),
        rf"/{_MODEL}:(generateContent|streamGenerateContent)$": Route(
            "chat", "generate_content", "gemini"
        ),
        r"/v[12]/chat$": Route("chat", "chat", "cohere"),
        r"/v[12]/embed$": Route("embedding", "embed", "cohere"),
        r"/v[12]/rerank$": Route("rerank", "rerank", "cohere"),
    }.items()
)
# Bedrock's invoke is of embeddings too, which only their model tells.
_OF_NO_ROUTE: Final = {"ocr": "ocr", "invoke": "chat"}
_READ_BACK: Final = tuple(
    (re.compile(path), replace(route, read_back=True))
    for path, route in {
        r"/responses/[^/]+$": Route("responses", "responses"),
        r"/files/[^/]+/content$": Route("chat", BATCH),
        r"/messages/batches/[^/]+/results$": Route("chat", BATCH, "anthropic"),
    }.items()
)
_OF_SOMETHING_ELSE: Final = re.compile(r"/threads/|/conversations/")

# By the names that litellm has for them, so that its callback says the same.
_HOSTS: Final = {
    "api.openai.com": "openai",
    "openai.azure.com": "azure",
    "cognitiveservices.azure.com": "azure",
    "services.ai.azure.com": "azure",
    "api.anthropic.com": "anthropic",
    "generativelanguage.googleapis.com": "gemini",
    "aiplatform.googleapis.com": "vertex_ai",
    "amazonaws.com": "bedrock",
    "api.mistral.ai": "mistral",
    "api.cohere.com": "cohere",
    "api.cohere.ai": "cohere",
    "api.groq.com": "groq",
    "api.deepseek.com": "deepseek",
    "api.x.ai": "xai",
    "api.perplexity.ai": "perplexity",
    "openrouter.ai": "openrouter",
    "api.together.xyz": "together_ai",
    "api.fireworks.ai": "fireworks_ai",
    "api.cerebras.ai": "cerebras",
    "aliyuncs.com": "dashscope",
}


@lru_cache(maxsize=512)
def route_of(method: str, path: str) -> Route | None:
    """Return what a request asks for, or None if it bills nothing.

    >>> route_of("POST", "/v1/chat/completions").operation
    'chat'
    >>> route_of("POST", "/v1beta/models/gemini-3-pro:generateContent").model
    'gemini-3-pro'
    >>> arn = "arn:aws:bedrock:eu-west-1:1:inference-profile/eu.amazon.nova-pro-v1:0"
    >>> route_of("POST", f"/model/{arn}/converse-stream").model
    'eu.amazon.nova-pro-v1:0'
    >>> route_of("GET", "/v1/models") is None
    True
    """
    if method == "GET":
        return next(
            (route for pattern, route in _READ_BACK if pattern.search(path)), None
        )
    if method != "POST" or _OF_SOMETHING_ELSE.search(path):
        return None
    for pattern, route in _ROUTES:
        found = pattern.search(path)
        if found:
            model = found.groupdict().get("model")
            named = unquote(model) if model else None
            return replace(route, model=named and _NAMED_BY_ARN.sub("", named))
    return None


def operation_of(api: str) -> str:
    """Return what a call of an API is named in events.

    >>> operation_of("embeddings"), operation_of("converse")
    ('embedding', 'chat')
    """
    if api in _OF_NO_ROUTE:
        return _OF_NO_ROUTE[api]
    routes = (route for _, route in _ROUTES if route.api == api)
    return next((route.operation for route in routes), "chat")


@lru_cache(maxsize=512)
def provider_at(host: str) -> str | None:
    """Return whose a host is, by litellm's names, or None if it is nobody's known.

    >>> provider_at("eu.api.openai.com"), provider_at("me.openai.azure.com")
    ('openai', 'azure')
    """
    labels = host.lower().split(".")
    ends = (".".join(labels[at:]) for at in range(len(labels)))
    return next((_HOSTS[end] for end in ends if end in _HOSTS), None)


@lru_cache(maxsize=512)
def shape_for(provider: str, route: Route) -> str:
    """Return the shape in which this provider answers on this route.

    >>> shape_for("groq", Route("chat", "chat_completions"))
    'groq.chat_completions'
    >>> shape_for("my-gateway", Route("chat", "chat_completions"))
    'openai.chat_completions'
    """
    try:
        return shape_named(f"{provider}.{route.api}")[0]
    except UnknownShape:
        return shape_named(f"{route.vendor}.{route.api}")[0]
