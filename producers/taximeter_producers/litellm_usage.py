"""Settles, once, what litellm's token counts mean in Taximeter's disjoint buckets.

litellm gives most providers' usage in one shape, in which `prompt_tokens` includes
what was read from and written to caches, and every modality; `completion_tokens`
includes reasoning. Pure: it reads attributes or keys and does not know litellm.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from taximeter_schemas.usage import Usage

__all__ = ["buckets", "count", "other_units", "part", "usage_of"]


def part(whole: object, name: str) -> Any:  # noqa: ANN401 - nothing here is typed
    """Return an attribute or key by its name, or None if there is no such thing."""
    if isinstance(whole, dict):
        return whole.get(name)
    return getattr(whole, name, None)


def count(whole: object, *names: str) -> int:
    """Return the first of these counts that is given and not 0, else 0.

    >>> count({"a": None, "b": 3}, "a", "b"), count({"a": "x"}, "a"), count(None, "a")
    (3, 0, 0)
    """
    for name in names:
        value = part(whole, name)
        if isinstance(value, int | float) and value > 0:
            return int(value)
    return 0


def buckets(usage: object) -> dict[str, int]:
    """Return a litellm usage as the fields of `Usage` that are not 0.

    Also understands usage in the shape of OpenAI's Responses API (`input_tokens`
    includes cached ones) and of Anthropic's Messages API (it does not).

    >>> buckets({"prompt_tokens": 10, "completion_tokens": 5,
    ...          "prompt_tokens_details": {"cached_tokens": 4},
    ...          "completion_tokens_details": {"reasoning_tokens": 2}})
    {'text_input_tokens': 6, 'cache_read_tokens': 4, 'text_output_tokens': 3, \
'reasoning_output_tokens': 2}
    """
    found = _inputs(usage) | _outputs(usage)
    return {name: tokens for name, tokens in found.items() if tokens > 0}


def _inputs(usage: object) -> dict[str, int]:
    details = part(usage, "prompt_tokens_details") or part(
        usage, "input_tokens_details"
    )
    cached = _cached(usage, details)
    written = _written(usage, details)
    # Modalities are counted with their cached tokens, which stand in buckets of
    # their own here.
    audio = count(details, "audio_tokens") - cached["cache_read_audio_tokens"]
    image = count(details, "image_tokens") - cached["cache_read_image_tokens"]
    modal = {
        "audio_input_tokens": max(audio, 0),
        "image_input_tokens": max(image, 0),
        "video_input_tokens": count(details, "video_tokens"),
    }
    special = sum((cached | written | modal).values())
    text = _input_total(usage, cached, written) - special
    searches = count(details, "web_search_requests") or count(
        part(usage, "server_tool_use"), "web_search_requests"
    )
    return {
        "text_input_tokens": max(text, 0),
        **cached,
        **written,
        **modal,
        "web_searches": searches,
    }


def _input_total(usage: object, cached: dict[str, int], written: dict[str, int]) -> int:
    """Return all input tokens: cached, cache-writing and of every modality."""
    if part(usage, "prompt_tokens") is not None:
        return count(usage, "prompt_tokens")
    total = count(usage, "input_tokens")
    if part(usage, "cache_read_input_tokens") is not None:  # Anthropic's own shape
        total += sum(cached.values()) + sum(written.values())
    return total


def _cached(usage: object, details: object) -> dict[str, int]:
    total = count(details, "cached_tokens") or count(usage, "cache_read_input_tokens")
    modal = part(details, "cached_tokens_details")
    audio = min(count(modal, "audio_tokens"), total)
    image = min(count(modal, "image_tokens"), total - audio)
    return {
        "cache_read_tokens": total - audio - image,
        "cache_read_audio_tokens": audio,
        "cache_read_image_tokens": image,
    }


def _written(usage: object, details: object) -> dict[str, int]:
    total = count(details, "cache_write_tokens", "cache_creation_tokens") or count(
        usage, "cache_creation_input_tokens"
    )
    by_lifetime = part(details, "cache_creation_token_details") or part(
        usage, "cache_creation"
    )
    one_hour = count(by_lifetime, "ephemeral_1h_input_tokens")
    five_minutes = count(by_lifetime, "ephemeral_5m_input_tokens")
    return {
        # What has no lifetime of its own has the provider's ordinary one.
        "cache_write_5m_tokens": max(total - one_hour, five_minutes),
        "cache_write_1h_tokens": one_hour,
    }


def _outputs(usage: object) -> dict[str, int]:
    details = part(usage, "completion_tokens_details") or part(
        usage, "output_tokens_details"
    )
    special = {
        "audio_output_tokens": count(details, "audio_tokens"),
        "image_output_tokens": count(details, "image_tokens"),
        "video_output_tokens": count(details, "video_tokens"),
        "reasoning_output_tokens": count(details, "reasoning_tokens"),
    }
    text = _output_total(usage, special["reasoning_output_tokens"])
    return {"text_output_tokens": max(text - sum(special.values()), 0), **special}


def _output_total(usage: object, reasoning: int) -> int:
    """Return all output tokens, reasoning included.

    Some providers (xAI) leave reasoning out of `completion_tokens`; it shows in that
    the total is larger by just as much.
    """
    output = count(usage, "completion_tokens", "output_tokens")
    given = count(usage, "prompt_tokens", "input_tokens")
    apart = count(usage, "total_tokens") == given + output + reasoning
    return output + reasoning if apart else output


def other_units(operation: str, request: object, response: object) -> dict[str, object]:
    """Return what an operation is billed by where it is not by tokens.

    `request` is litellm's dictionary of the call, `response` what it returned.
    """
    if operation in ("image_generation", "image_edit"):
        return {"image_count": len(part(response, "data") or ())}
    if operation == "speech":
        return {"characters": len(str(part(request, "input") or ""))}
    if operation == "transcription":
        return {"audio_seconds": _seconds(part(response, "duration"))}
    if operation == "rerank":
        billed = part(part(response, "meta"), "billed_units")
        return {"queries": count(billed, "search_units")}
    return {}


def usage_of(operation: str, request: object, response: object) -> Usage:
    """Return the usage of one call: its tokens, or else its other units."""
    tokens = buckets(part(response, "usage"))
    return Usage.model_validate(tokens or other_units(operation, request, response))


def _seconds(value: object) -> Decimal:
    known = isinstance(value, int | float | str)
    return Decimal(str(value)).quantize(Decimal("0.000001")) if known else Decimal(0)
