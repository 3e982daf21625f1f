"""OpenTelemetry's GenAI attributes of a span, by their new names and their old ones.

`gen_ai.usage.input_tokens` should include cached tokens, and output reasoning; it is
read so, unless the counts themselves show that an instrumentation left cached ones out.
Spans that came as OTLP JSON have a list of attributes with typed values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from taximeter_producers.usage_shapes.bodies import Part
from taximeter_producers.usage_shapes.counted import Counted, check_total
from taximeter_producers.usage_shapes.openai_tokens import require

__all__ = ["attributes_of", "read_attributes"]

_USAGE: Final = "gen_ai.usage."
_NUMBER: Final = re.compile("-?[0-9]{1,20}")
_MODALITIES: Final = ("audio", "image", "video")

_INPUT: Final = ("input_tokens", "prompt_tokens")
_OUTPUT: Final = ("output_tokens", "completion_tokens")
_CACHED: Final = (
    "cache_read.input_tokens",
    "cache_read_input_tokens",
    "cache_read_tokens",
    "input_tokens.cached",
    "input_tokens_cached",
    "details.cache_read_tokens",
    "details.cached_tokens",
)
_WRITTEN: Final = (
    "cache_write.input_tokens",
    "cache_creation.input_tokens",
    "cache_creation_input_tokens",
    "cache_write_tokens",
    "input_tokens.cache_write",
    "details.cache_write_tokens",
)
_REASONING: Final = (
    "reasoning.output_tokens",
    "reasoning_tokens",
    "output_tokens.reasoning",
    "output_tokens_reasoning",
    "details.reasoning_tokens",
)


def read_attributes(usage: Part, body: Part) -> Counted:
    """Read the attributes of one span."""
    del body
    spoken = Part(
        {
            name.removeprefix(_USAGE): value
            for name, value in usage.said.items()
            if name.startswith(_USAGE)
        },
        "gen_ai.usage",
    )
    require(spoken, *_INPUT, *_OUTPUT)
    total = spoken.count("total_tokens")
    counted = Counted(
        input=_input(spoken, total),
        output=spoken.count(*_OUTPUT),
        cached=spoken.count(*_CACHED),
        cached_by=_by_modality(spoken, "cache_read.input_tokens"),
        written=spoken.count(*_WRITTEN),
        input_by=_by_modality(spoken, "input_tokens"),
        reasoning=spoken.count(*_REASONING),
        output_by=_by_modality(spoken, "output_tokens"),
        input_name=spoken.name(_INPUT[0]),
        output_name=spoken.name(_OUTPUT[0]),
    )
    check_total(spoken, "total_tokens", total, counted.input + counted.output)
    return counted


def _input(spoken: Part, total: int) -> int:
    """Return all input tokens; some instrumentations pass on Anthropic's own count.

    That leaves the cached ones out, which shows where there are more of them than
    there is input, or where only with them the total is right.
    """
    stated, output = spoken.count(*_INPUT), spoken.count(*_OUTPUT)
    cached = spoken.count(*_CACHED) + spoken.count(*_WRITTEN)
    apart = cached > stated or total == stated + cached + output
    return stated + cached if apart else stated


def attributes_of(span: Mapping[str, object]) -> Mapping[str, object]:
    """Return a span's attributes, whether given alone, within it, or as OTLP has them.

    >>> attributes_of({"attributes": [{"key": "a", "value": {"intValue": "12"}}]})
    {'a': 12}
    """
    within = span.get("attributes")
    if isinstance(within, Mapping):
        return within
    if not isinstance(within, list):
        return span
    pairs = (item for item in within if isinstance(item, Mapping))
    return {str(pair.get("key")): _typed(pair.get("value")) for pair in pairs}


def _typed(value: object) -> object:
    if not isinstance(value, Mapping):
        return value
    whole = value.get("intValue")
    if isinstance(whole, str):  # OTLP's JSON writes 64-bit integers as text
        return int(whole) if _NUMBER.fullmatch(whole) else whole
    return whole if whole is not None else next(iter(value.values()), None)


def _by_modality(spoken: Part, rest: str) -> dict[str, int]:
    fields = {name: f"{name}.{rest}" for name in _MODALITIES}
    return {
        name: spoken.count(field)
        for name, field in fields.items()
        if spoken.states(field)
    }
