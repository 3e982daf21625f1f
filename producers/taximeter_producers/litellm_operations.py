"""What kinds of calls litellm makes, by its names and by ours."""

from __future__ import annotations

from typing import Final

__all__ = ["STANDARD_TIERS", "operation_of"]

# litellm's name of a call, without the "a" of its async form -> our `operation`.
# What is not here (reading a stored response, files, threads, …) bills no call.
_OPERATIONS: Final = {
    "completion": "chat",
    "text_completion": "completion",
    "responses": "responses",
    "anthropic_messages": "chat",
    "generate_content": "chat",
    "generate_content_stream": "chat",
    "embedding": "embedding",
    "image_generation": "image_generation",
    "image_edit": "image_edit",
    "transcription": "transcription",
    "speech": "speech",
    "rerank": "rerank",
    "moderation": "moderation",
    "ocr": "ocr",
    "search": "search",
    "create_video": "video_generation",
    "video_generation": "video_generation",
    "decisions": "decisions",
}
STANDARD_TIERS: Final = frozenset({"auto", "default", "on_demand", "standard_only"})


def operation_of(call_type: object) -> str | None:
    """Return what an event calls this kind of call; None if none is billed.

    >>> operation_of("acompletion"), operation_of("aget_responses")
    ('chat', None)
    """
    name = str(getattr(call_type, "value", call_type))
    return _OPERATIONS.get(name) or _OPERATIONS.get(name.removeprefix("a"))
