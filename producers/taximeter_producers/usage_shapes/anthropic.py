"""Anthropic's Messages API, there, on Bedrock and on Vertex AI.

`input_tokens` are those that neither came from a cache nor went into one; the cached
stand beside them. Thinking is part of `output_tokens`.
"""

from __future__ import annotations

from taximeter_producers.usage_shapes.bodies import Faulty, Part
from taximeter_producers.usage_shapes.counted import Counted
from taximeter_producers.usage_shapes.openai_tokens import require

__all__ = ["read_messages"]


def read_messages(usage: Part, body: Part) -> Counted:
    """Read the usage of one message.

    What has no lifetime of its own was written for five minutes, the API's default.
    `iterations` beside it (compaction, an advisor's model) are not in these counts.
    """
    del body
    require(usage, "input_tokens", "output_tokens")
    read = usage.count("cache_read_input_tokens")
    written, one_hour = _written(usage)
    searches = usage.part("server_tool_use").count("web_search_requests")
    details = usage.part("output_tokens_details")
    return Counted(
        input=usage.count("input_tokens") + read + written,
        output=usage.count("output_tokens"),
        cached=read,
        written=written,
        written_1h=one_hour,
        reasoning=details.count("thinking_tokens", "reasoning_tokens"),
        units={"web_searches": searches},
        input_name=usage.name("input_tokens"),
        output_name=usage.name("output_tokens"),
    )


def _written(usage: Part) -> tuple[int, int]:
    total = usage.count("cache_creation_input_tokens")
    by_lifetime = usage.part("cache_creation")
    one_hour = by_lifetime.count("ephemeral_1h_input_tokens")
    detailed = by_lifetime.count("ephemeral_5m_input_tokens") + one_hour
    if total and detailed > total:
        reason = f"is {total}, and by lifetime {detailed}"
        raise Faulty(usage.name("cache_creation_input_tokens"), reason)
    return total or detailed, one_hour
