"""Tells a body's shape by its marks, where nobody named it and it can be only one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from taximeter_producers.usage_shapes.table import SHAPES
from taximeter_schemas.errors import UnknownShape

__all__ = ["recognised"]

# What a body says of itself.
_OBJECTS: Final = {
    "chat.completion": "openai.chat_completions",
    "chat.completion.chunk": "openai.chat_completions",
    "text_completion": "openai.completions",
    "response": "openai.responses",
}

# Fields of a usage that one family has and no other.
_MARKS: Final = {
    "openai.chat_completions": (
        "prompt_tokens_details",
        "completion_tokens_details",
        "completion_tokens",
    ),
    "openai.responses": ("input_tokens_details", "output_tokens_details"),
    "anthropic.messages": (
        "cache_creation",
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
        "server_tool_use",
    ),
    "deepseek.chat_completions": ("prompt_cache_hit_tokens",),
    "xai.chat_completions": ("cost_in_usd_ticks",),
    "bedrock.converse": ("inputTokens", "outputTokens"),
    "cohere.chat": ("billed_units",),
}
# Vendors that copied a family's words and added their own.
_COPIES: Final = ("deepseek.chat_completions", "xai.chat_completions")


def recognised(body: Mapping[str, object]) -> str:
    """Return the name of the one shape that a body can have.

    >>> recognised({"usageMetadata": {"promptTokenCount": 3}})
    'google.generate_content'

    Raises:
        UnknownShape: it could be none, or more than one.
    """
    found = _by_body(body) or _by_usage(body)
    if len(found) != 1:
        raise UnknownShape(None, sorted(SHAPES), sorted(found))
    return found.pop()


def _by_body(body: Mapping[str, object]) -> set[str]:
    if "usageMetadata" in body or "usage_metadata" in body:
        return {"google.generate_content"}
    attributes = body.get("attributes", body)
    if isinstance(attributes, Mapping) and any(
        str(name).startswith("gen_ai.usage.") for name in attributes
    ):
        return {"otel.gen_ai"}
    if isinstance(body.get("meta"), Mapping) and "usage" not in body:
        return {"cohere.rerank"} if "results" in body else {"cohere.chat"}
    said = body.get("object")
    if said == "list" and isinstance(body.get("data"), list):
        return {"openai.embeddings"}
    return {_OBJECTS[said]} if isinstance(said, str) and said in _OBJECTS else set()


def _by_usage(body: Mapping[str, object]) -> set[str]:
    usage = body.get("usage")
    if not isinstance(usage, Mapping):
        return set()
    if body.get("type") == "message" and "input_tokens" in usage:
        return {"anthropic.messages"}
    stated = {name for name, value in usage.items() if value is not None}
    found = {name for name, marks in _MARKS.items() if stated & set(marks)}
    copies = found & set(_COPIES)
    if copies and "openai.chat_completions" in found:
        found = copies
    newer = {"openai.responses", "anthropic.messages"}
    if newer <= found and "input_tokens_details" not in stated:
        found.discard("openai.responses")  # Anthropic details its output alike
    if "created" in body and "data" in body and found == {"openai.responses"}:
        return {"openai.images"}
    if "prompt_tokens" in stated and not found:
        return {"openai.embeddings"}
    return found
