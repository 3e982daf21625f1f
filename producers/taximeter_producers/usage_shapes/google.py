"""Gemini's `generateContent`, on Google's API and on Vertex AI, and its Live API.

The prompt includes what was cached, but not what tools gave back; candidates do not
include thoughts. Lists name the modalities of each; a document is seen as images.
The client libraries write the same fields in snake case.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from taximeter_producers.usage_shapes.bodies import Faulty, Part
from taximeter_producers.usage_shapes.counted import Counted, check_total
from taximeter_producers.usage_shapes.openai_tokens import require

__all__ = ["read_generate_content"]

_PROMPT: Final = ("promptTokenCount", "prompt_token_count")
_TOOL_USE: Final = ("toolUsePromptTokenCount", "tool_use_prompt_token_count")
_ANSWER: Final = (
    "candidatesTokenCount",
    "candidates_token_count",
    "responseTokenCount",
    "response_token_count",
)
_THOUGHTS: Final = ("thoughtsTokenCount", "thoughts_token_count")
_CACHED: Final = ("cachedContentTokenCount", "cached_content_token_count")
_TOTAL: Final = ("totalTokenCount", "total_token_count")

_SEARCHED: Final = ("webSearchQueries", "web_search_queries")
_CHUNKS: Final = ("groundingChunks", "grounding_chunks")

_MODALITIES: Final = {
    "TEXT": "text",
    "MODALITY_UNSPECIFIED": "text",
    "AUDIO": "audio",
    "IMAGE": "image",
    "DOCUMENT": "image",
    "VIDEO": "video",
    # As numbers, in which protobuf's own dictionaries have them.
    "1": "text",
    "2": "image",
    "3": "video",
    "4": "audio",
    "5": "image",
}


def read_generate_content(usage: Part, body: Part) -> Counted:
    """Read the usage of one answer.

    The total is the sum, with or without what tools gave back. Where it only adds up
    so, the thoughts are within the candidates.
    """
    require(usage, *_PROMPT, *_ANSWER)
    prompt, tool_use = usage.count(*_PROMPT), usage.count(*_TOOL_USE)
    answer, thoughts = usage.count(*_ANSWER), usage.count(*_THOUGHTS)
    total = usage.count(*_TOTAL)
    within = _thoughts_are_within(total, prompt, tool_use, answer, thoughts)
    output = answer if within else answer + thoughts
    check_total(usage, _TOTAL[0], total, prompt + output, prompt + output + tool_use)
    return Counted(
        input=prompt + tool_use,
        output=output,
        cached=usage.count(*_CACHED),
        cached_by=_modal(usage, usage.count(*_CACHED), *_lists("cache")),
        input_by=_input_by(usage, prompt, tool_use),
        reasoning=thoughts,
        output_by=_modal(usage, answer, *_lists("candidates"), *_lists("response")),
        units={"web_searches": _queries(body), "maps_queries": _maps(body)},
        input_name=usage.name(_PROMPT[0]),
        output_name=usage.name(_ANSWER[0]),
    )


def _thoughts_are_within(
    total: int, prompt: int, tool_use: int, answer: int, thoughts: int
) -> bool:
    apart = prompt + answer + thoughts
    if not thoughts or total in (apart, apart + tool_use):
        return False
    return total in (prompt + answer, prompt + answer + tool_use)


def _lists(of: str) -> tuple[str, str]:
    return f"{of}TokensDetails", f"{of}_tokens_details"


def _input_by(usage: Part, prompt: int, tool_use: int) -> dict[str, int]:
    asked = _modal(usage, prompt, *_lists("prompt"), "promptTokenDetails")
    tools = _modal(
        usage, tool_use, "toolUsePromptTokensDetails", "tool_use_prompt_tokens_details"
    )
    names = asked.keys() | tools.keys()
    return {name: asked.get(name, 0) + tools.get(name, 0) for name in names}


def _modal(usage: Part, total: int, *lists: str) -> dict[str, int]:
    """Return the tokens of a list by modality, text left out: it is what is left."""
    found: dict[str, int] = {}
    details = usage.parts(*lists)
    for detail in details:
        tokens = detail.count("tokenCount", "token_count")
        modality = _modality(detail, tokens)
        found[modality] = found.get(modality, 0) + tokens
    listed = sum(found.values())
    if listed > total:
        raise Faulty(usage.name(lists[0]), f"adds up to {listed}, of {total} in all")
    return {name: n for name, n in found.items() if name != "text"}


def _modality(detail: Part, tokens: int) -> str:
    name = str(detail.value("modality") or "TEXT").upper()
    known = _MODALITIES.get(name)
    if known is None and tokens:
        raise Faulty(detail.name("modality"), "is not one that is known")
    return known or "text"


def _queries(body: Part) -> int:
    """Count the web searches that an answer is grounded in."""
    asked = (_texts(one.value(*_SEARCHED)) for one in _grounded(body))
    return sum(map(len, asked))


def _maps(body: Part) -> int:
    """Count the candidates that are grounded in Google Maps: one query each."""
    return sum(
        any(Part(chunk, "").states("maps") for chunk in _objects(one.value(*_CHUNKS)))
        for one in _grounded(body)
    )


def _grounded(body: Part) -> list[Part]:
    found = (
        Part(candidate, "").value("groundingMetadata", "grounding_metadata")
        for candidate in _objects(body.value("candidates"))
    )
    return [Part(one, "") for one in found if isinstance(one, Mapping)]


def _objects(value: object) -> list[Mapping[str, object]]:
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, Mapping)]


def _texts(value: object) -> list[object]:
    return [item for item in value if item] if isinstance(value, list) else []
