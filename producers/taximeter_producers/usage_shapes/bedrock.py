"""Bedrock's Converse API, and the answers that its models have of their own.

Converse counts input beside the cached, like Anthropic, in other words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from taximeter_producers.usage_shapes.anthropic import read_messages
from taximeter_producers.usage_shapes.bodies import Faulty, Part
from taximeter_producers.usage_shapes.counted import Counted
from taximeter_producers.usage_shapes.openai_tokens import agreed, read_tokens, require

__all__ = ["METRICS", "counted_in", "read_converse", "read_invoke"]

METRICS: Final = "amazon-bedrock-invocationMetrics"

# Bedrock's metrics, Titan, Llama.
_INVOKED_WITH: Final = ("inputTokenCount", "inputTextTokenCount", "prompt_token_count")
_INVOKED_FOR: Final = ("outputTokenCount", "generation_token_count")


def read_converse(usage: Part, body: Part) -> Counted:
    """Read the usage of one answer.

    The total has the cached tokens in it or, in answers of older models, has not.
    """
    del body
    require(usage, "inputTokens", "outputTokens")
    read = agreed((usage, "cacheReadInputTokens"), (usage, "cacheReadInputTokenCount"))
    written, one_hour = _written(usage)
    beside, output = usage.count("inputTokens"), usage.count("outputTokens")
    total, whole = usage.count("totalTokens"), beside + read + written + output
    if total and total not in (whole, beside + output):
        reason = f"is {total}, and its parts add up to {whole}"
        raise Faulty(usage.name("totalTokens"), reason)
    return Counted(
        input=beside + read + written,
        output=output,
        cached=read,
        written=written,
        written_1h=one_hour,
        input_name=usage.name("inputTokens"),
        output_name=usage.name("outputTokens"),
    )


def read_invoke(usage: Part, body: Part) -> Counted:
    """Read what `InvokeModel` passes on: a model's own words, or Bedrock's metrics."""
    if usage.states("inputTokens", "outputTokens"):
        return read_converse(usage, body)
    if usage.states("input_tokens", "output_tokens"):
        return read_messages(usage, body)
    if usage.states("prompt_tokens", "completion_tokens"):
        return read_tokens(usage)
    require(usage, *_INVOKED_WITH, *_INVOKED_FOR, "results")
    made = sum(one.count("tokenCount") for one in usage.parts("results"))
    return Counted(
        input=usage.count(*_INVOKED_WITH),
        output=usage.count(*_INVOKED_FOR) or made,
        input_name=usage.name("inputTokenCount"),
        output_name=usage.name("outputTokenCount"),
    )


def counted_in(headers: Mapping[str, str]) -> dict[str, dict[str, int]]:
    """Return the usage that Bedrock states in the headers of an answer, as it would.

    >>> counted_in({"x-amzn-bedrock-input-token-count": "3"})
    {'amazon-bedrock-invocationMetrics': {'inputTokenCount': 3}}
    """
    stated = {
        f"{side}TokenCount": headers.get(f"x-amzn-bedrock-{side}-token-count", "")
        for side in ("input", "output")
    }
    counts = {name: int(count) for name, count in stated.items() if count.isdigit()}
    return {METRICS: counts} if counts else {}


def _written(usage: Part) -> tuple[int, int]:
    total = agreed(
        (usage, "cacheWriteInputTokens"), (usage, "cacheWriteInputTokenCount")
    )
    lifetimes = {"5m": 0, "1h": 0}
    for detail in usage.parts("cacheDetails"):
        tokens, ttl = detail.count("inputTokens"), str(detail.value("ttl"))
        if ttl not in lifetimes and tokens:
            raise Faulty(detail.name("ttl"), "is not a lifetime that is known")
        lifetimes[ttl] = lifetimes.get(ttl, 0) + tokens
    detailed = sum(lifetimes.values())
    if total and detailed > total:
        reason = f"is {total}, and by lifetime {detailed}"
        raise Faulty(usage.name("cacheWriteInputTokens"), reason)
    return total or detailed, lifetimes["1h"]
