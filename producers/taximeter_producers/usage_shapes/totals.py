"""Usage as frameworks pass it on: all input and output, with details of each within.

LangChain's `usage_metadata` and Pydantic AI's `RequestUsage` both count so, whatever
the provider did.
"""

from __future__ import annotations

from taximeter_producers.usage_shapes.bodies import Part
from taximeter_producers.usage_shapes.counted import Counted

__all__ = ["read_langchain", "read_pydantic_ai"]

# OpenAI's tiers stand before the names of details there.
_TIERS = ("", "priority_", "flex_")


def read_langchain(usage: Part, body: Part) -> Counted:
    """Read LangChain's `usage_metadata` (langchain_core.messages.ai.UsageMetadata)."""
    del body
    given, made = usage.part("input_token_details"), usage.part("output_token_details")
    hour, minutes = "ephemeral_1h_input_tokens", "ephemeral_5m_input_tokens"
    written = _of_any_tier(given, "cache_creation")
    return Counted(
        input=usage.count("input_tokens"),
        output=usage.count("output_tokens"),
        cached=_of_any_tier(given, "cache_read"),
        written=written or given.count(hour) + given.count(minutes),
        written_1h=given.count(hour),
        input_by={name: given.count(name) for name in ("audio", "image", "video")},
        reasoning=_of_any_tier(made, "reasoning"),
        output_by={name: made.count(name) for name in ("audio", "image")},
        input_name=usage.name("input_tokens"),
        output_name=usage.name("output_tokens"),
    )


def read_pydantic_ai(usage: Part, body: Part) -> Counted:
    """Read Pydantic AI's `RequestUsage`; its names of what is cached are its own."""
    del body
    details = usage.part("details")
    return Counted(
        input=usage.count("input_tokens"),
        output=usage.count("output_tokens"),
        cached=usage.count("cache_read_tokens"),
        cached_by={"audio": usage.count("cache_audio_read_tokens")},
        written=usage.count("cache_write_tokens"),
        input_by={"audio": usage.count("input_audio_tokens")},
        reasoning=details.count("reasoning_tokens", "thoughts_tokens"),
        output_by={"audio": usage.count("output_audio_tokens")},
        input_name=usage.name("input_tokens"),
        output_name=usage.name("output_tokens"),
    )


def _of_any_tier(details: Part, name: str) -> int:
    return details.count(*(f"{tier}{name}" for tier in _TIERS))
