"""Bedrock's Converse API: input beside the cached, like Anthropic's, in other words."""

from __future__ import annotations

from taximeter_producers.usage_shapes.bodies import Faulty, Part
from taximeter_producers.usage_shapes.counted import Counted
from taximeter_producers.usage_shapes.openai_tokens import agreed, require

__all__ = ["read_converse"]


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
