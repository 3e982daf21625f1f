"""OpenAI's token usage, and that of everyone who speaks its APIs.

`prompt_tokens` (`input_tokens` in the newer APIs) includes what was read from and
written to caches, and every modality; `completion_tokens` (`output_tokens`) includes
reasoning, but for xAI, whose total shows it. docs/usage.md has the sources.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from taximeter_producers.usage_shapes.bodies import Faulty, Part
from taximeter_producers.usage_shapes.counted import (
    Counted,
    check_total,
    reasoning_is_apart,
)

__all__ = [
    "agreed",
    "read_chat",
    "read_deepseek",
    "read_embeddings",
    "read_mistral",
    "read_responses",
    "read_tokens",
    "read_xai",
    "require",
]

_INPUT: Final = ("prompt_tokens", "input_tokens")
_OUTPUT: Final = ("completion_tokens", "output_tokens")
_INPUT_DETAILS: Final = (
    "prompt_tokens_details",
    "input_tokens_details",
    "input_token_details",
    "prompt_token_details",
)
_OUTPUT_DETAILS: Final = (
    "completion_tokens_details",
    "output_tokens_details",
    "output_token_details",
)
# Beside the details: Moonshot and Together, DeepSeek, xAI's first API.
_CACHED_BESIDE: Final = (
    "cached_tokens",
    "prompt_cache_hit_tokens",
    "cached_prompt_text_tokens",
    "cache_read_input_tokens",
)
_WRITTEN: Final = (
    "cache_write_tokens",
    "cache_creation_tokens",
    "cache_creation_input_tokens",
)
_BY_LIFETIME: Final = (
    "cache_creation_token_details",
    "cache_creation_tokens_details",
    "cache_creation",
    "cache_write_tokens_details",
)
_SHORT: Final = (
    "ephemeral_5m_input_tokens",
    "ephemeral_30m_input_tokens",
    "ttl_30m_tokens",
)
_LONG: Final = ("ephemeral_12h_input_tokens", "ttl_12h_tokens")
_MODALITIES: Final = ("audio", "image", "video")
# What `read_tokens` looks for besides input, output and their total.
_MORE: Final = frozenset(
    {
        *_INPUT_DETAILS,
        *_OUTPUT_DETAILS,
        *_CACHED_BESIDE,
        *_WRITTEN,
        *_BY_LIFETIME,
        "reasoning_tokens",
        "server_tool_use",
        "num_search_queries",
    }
)
# What reading documents is billed by, there and in litellm's words.
_READ: Final = {
    "pages_processed": "pages",
    "pages_processed_annotation": "annotated_pages",
    "credits": "credits",
}


def read_chat(usage: Part, body: Part) -> Counted:
    """Read chat completions, of OpenAI or of a provider that copies them.

    Gemini behind this API leaves its thoughts out of everything but the total; what
    is not itemised cannot be counted, and is no contradiction there.
    """
    return read_tokens(usage, exactly=not _is_gemini(body))


def _is_gemini(body: Part) -> bool:
    return "gemini" in str(body.value("model")).lower()


def read_responses(usage: Part, body: Part) -> Counted:
    """Read the Responses API, where input and output are all that there is."""
    counted = read_tokens(usage, exactly=True)
    return replace(counted, units={**counted.units, **_searches_made(body)})


def read_embeddings(usage: Part, body: Part) -> Counted:
    """Read embeddings, of which some providers state nothing but the total."""
    del body
    if not usage.states(*_INPUT):
        require(usage, "total_tokens")
        name = usage.name("total_tokens")
        return Counted(input=usage.count("total_tokens"), input_name=name)
    return read_tokens(usage, exactly=True)


def read_xai(usage: Part, body: Part) -> Counted:
    """Read xAI, which counts reasoning beside the completion tokens."""
    by_chat = usage.states(_OUTPUT[0])
    counted = read_tokens(usage, reasoning_usually_apart=by_chat, exactly=True)
    tools = usage.part("server_side_tool_usage_details")
    searches = tools.count("web_search_calls")
    return replace(
        counted,
        units=dict(counted.units)
        | _searches_made(body)
        | ({"web_searches": searches} if searches else {}),
    )


def read_deepseek(usage: Part, body: Part) -> Counted:
    """Read DeepSeek, whose prompt is what hit its cache and what missed it."""
    hits_and_misses = ("prompt_cache_hit_tokens", "prompt_cache_miss_tokens")
    stated = [usage.count(name) for name in hits_and_misses if usage.states(name)]
    if len(stated) == len(hits_and_misses):
        if not usage.states(*_INPUT):
            usage = Part({**usage.said, "prompt_tokens": sum(stated)}, usage.path)
        prompt = usage.count(*_INPUT)
        if prompt != sum(stated):
            reason = f"is {prompt}, and its cache hits and misses are {sum(stated)}"
            raise Faulty(usage.name("prompt_tokens"), reason)
    return read_chat(usage, body)


def read_mistral(usage: Part, body: Part) -> Counted:
    """Read Mistral, which counts the audio that it heard in seconds."""
    if not usage.said:
        usage = body.part("usage_info")
    if usage.states(*_READ):
        return Counted(units={unit: usage.count(n) for n, unit in _READ.items()})
    counted = read_tokens(usage)
    heard = usage.value("prompt_audio_seconds")
    # Where nothing was heard it is an empty object in some answers.
    seconds = usage.seconds("prompt_audio_seconds") if heard not in (None, {}) else 0
    return replace(counted, units={**counted.units, "audio_seconds": seconds})


def read_tokens(
    usage: Part, *, reasoning_usually_apart: bool = False, exactly: bool = False
) -> Counted:
    """Read a usage object in OpenAI's words.

    Args:
        usage: the object.
        reasoning_usually_apart: what the provider says of its reasoning, for the case
            that no total tells.
        exactly: whether a total above the sum of input and output is a contradiction.

    Raises:
        Faulty: it states no tokens, or contradicts itself.
    """
    require(usage, *_INPUT, *_OUTPUT)
    if not _says_more(usage):
        return _read_totals(usage, exactly=exactly)
    inputs, outputs = usage.part(*_INPUT_DETAILS), usage.part(*_OUTPUT_DETAILS)
    input_tokens, visible = usage.count(*_INPUT), usage.count(*_OUTPUT)
    total = usage.count("total_tokens")
    cached, written = _cached(usage, inputs), _written(usage, inputs)
    reasoning = agreed(
        (outputs, "reasoning_tokens"),
        (usage, "reasoning_tokens"),
        (outputs, "thinking_tokens"),
    )
    beside = cached + written
    if total == input_tokens + visible + beside and beside != reasoning:
        input_tokens += beside  # only so does the total add up
    apart = reasoning_is_apart(
        total, input_tokens + visible, reasoning, usually=reasoning_usually_apart
    )
    output = visible + (reasoning if apart else 0)
    least = input_tokens + output
    check_total(usage, "total_tokens", total, least, least if exactly else None)
    _check_text(inputs, input_tokens)
    _check_text(outputs, output)
    modal = inputs.part("cached_tokens_details")
    return Counted(
        input=input_tokens,
        output=output,
        cached=cached,
        cached_by=_by_modality(modal),
        written=written,
        **_lasting(usage, inputs, written),
        asked_for=inputs.value("cache_type") == "ephemeral",
        input_by=_by_modality(inputs),
        reasoning=reasoning,
        output_by=_by_modality(outputs),
        units=_searches(usage, inputs),
        input_name=_named(usage, _INPUT),
        output_name=_named(usage, _OUTPUT),
    )


def _says_more(usage: Part) -> bool:
    """Tell whether it says anything besides input, output and their total.

    Most answers do not, and state a dozen zeroes.
    """
    said = usage.said
    return any(not _is_quiet(said[name]) for name in _MORE.intersection(said))


def _is_quiet(value: object) -> bool:
    """Tell whether this is nothing, 0, or an object with nothing else in it.

    >>> _is_quiet({"audio_tokens": 0, "image_tokens": None}), _is_quiet(False)
    (True, False)
    """
    if type(value) is dict:
        return all(map(_is_quiet, value.values()))
    return value is None or (type(value) is int and not value)


def _read_totals(usage: Part, *, exactly: bool) -> Counted:
    input_tokens, output = usage.count(*_INPUT), usage.count(*_OUTPUT)
    total, least = usage.count("total_tokens"), input_tokens + output
    check_total(usage, "total_tokens", total, least, least if exactly else None)
    return Counted(
        input=input_tokens,
        output=output,
        input_name=_named(usage, _INPUT),
        output_name=_named(usage, _OUTPUT),
    )


def require(usage: Part, *fields: str) -> None:
    """Refuse a usage that states none of these fields.

    Raises:
        Faulty: there is no usage, or none of them in it.
    """
    if not usage.said:
        raise Faulty(usage.path or "usage", "is not stated")
    if not usage.states(*fields):
        raise Faulty(usage.path or "usage", f"states none of {', '.join(fields)}")


def agreed(*places: tuple[Part, str]) -> int:
    """Return the one count that these places state; a 0 beside another says nothing.

    >>> agreed((Part({"a": 3}, ""), "a"), (Part({"b": 0}, ""), "b"))
    3

    Raises:
        Faulty: two of them differ.
    """
    found = 0
    for part, name in places:
        count = part.count(name)
        if count and found and count != found:
            raise Faulty(part.name(name), f"is {count}, and {found} in another field")
        found = found or count
    return found


def _cached(usage: Part, inputs: Part) -> int:
    beside = [(usage, name) for name in _CACHED_BESIDE]
    return agreed((inputs, "cached_tokens"), *beside)


def _written(usage: Part, inputs: Part) -> int:
    within = [(inputs, name) for name in _WRITTEN]
    stated = agreed(*within, *((usage, name) for name in _WRITTEN))
    return stated or sum(_lifetimes(usage, inputs))


def _lasting(usage: Part, inputs: Part, written: int) -> dict[str, int]:
    short, one_hour, long = _lifetimes(usage, inputs)
    if short + one_hour + long > written:
        reason = f"has {short}, {one_hour} and {long} written to a cache, of {written}"
        raise Faulty(inputs.path, reason)
    return {"written_1h": one_hour, "written_12h": long}


def _lifetimes(usage: Part, inputs: Part) -> tuple[int, int, int]:
    """Return what was written for minutes, for an hour, and for twelve."""
    within = inputs.part(*_BY_LIFETIME)
    by_lifetime = within if within.said else usage.part(*_BY_LIFETIME)
    return (
        sum(by_lifetime.count(name) for name in _SHORT),
        by_lifetime.count("ephemeral_1h_input_tokens"),
        sum(by_lifetime.count(name) for name in _LONG),
    )


def _by_modality(details: Part) -> dict[str, int]:
    fields = {name: f"{name}_tokens" for name in _MODALITIES}
    return {
        name: details.count(field)
        for name, field in fields.items()
        if details.states(field)
    }


def _check_text(details: Part, total: int) -> None:
    text = details.count("text_tokens")
    if text > total:
        raise Faulty(details.name("text_tokens"), f"is {text}, of {total} in all")


def _searches(usage: Part, inputs: Part) -> dict[str, int]:
    tools = usage.part("server_tool_use")
    places = ((tools, "web_search_requests"), (inputs, "web_search_requests"))
    found = {
        "web_searches": agreed(*places) or usage.count("num_search_queries"),
        "maps_queries": inputs.count("google_maps_grounding_requests"),
    }
    return {name: count for name, count in found.items() if count}


def _searches_made(body: Part) -> dict[str, int]:
    """Count the web searches in an answer's output; opening a page is free."""
    output = body.value("output")
    items = (
        [Part(i, "") for i in output if isinstance(i, dict)]
        if (isinstance(output, list))
        else []
    )
    searches = sum(1 for item in items if _is_search(item))
    return {"web_searches": searches} if searches else {}


def _is_search(item: Part) -> bool:
    action = item.value("action")
    kind = action.get("type", "search") if isinstance(action, dict) else "search"
    return item.value("type") == "web_search_call" and kind == "search"


def _named(usage: Part, fields: tuple[str, ...]) -> str:
    stated = next((name for name in fields if usage.states(name)), fields[0])
    return usage.name(stated)
