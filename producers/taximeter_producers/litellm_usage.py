"""Settles, once, what litellm's counts mean in Taximeter's disjoint buckets.

litellm gives most providers' usage in one shape, that of OpenAI, and passes two newer
ones on as they are; `usage_shapes` has the rules. What is not billed by tokens is
taken from the request or the response. It reads attributes or keys and does not know
litellm.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from pydantic import BaseModel

from taximeter_producers.provider_usage import usage_from_response
from taximeter_producers.usage_shapes.bodies import Part
from taximeter_producers.usage_shapes.chosen import drawn, filmed, placed, searched
from taximeter_schemas.usage import INPUT_TOKENS, OUTPUT_TOKENS, Usage

__all__ = ["buckets", "chosen_for", "fields_in", "other_units", "part", "usage_of"]

_TOKENS: Final = (*INPUT_TOKENS, *OUTPUT_TOKENS)

_COUNTS: Final = (
    "prompt_tokens",
    "completion_tokens",
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "seconds",
)

# Where litellm passes on what OpenAI's other APIs say, whatever the provider.
_SHAPES: Final = {
    "image_generation": "openai.images",
    "image_edit": "openai.images",
    "transcription": "openai.audio_transcriptions",
    "video_generation": "openai.videos",
}


def part(whole: object, name: str) -> Any:  # noqa: ANN401 - nothing here is typed
    """Return an attribute or key by its name, or None if there is no such thing."""
    if isinstance(whole, dict):
        return whole.get(name)
    return getattr(whole, name, None)


def fields_in(answer: object) -> object:
    """Return litellm's object as a dictionary of its fields; all else as it is.

    What is not stated is looked up there a dozen times, and asked of the object each
    time it would raise and catch an exception.
    """
    if not isinstance(answer, BaseModel):
        return answer
    return vars(answer) | (answer.__pydantic_extra__ or {})


def buckets(usage: object) -> dict[str, int]:
    """Return a litellm usage as the fields of `Usage` that are not 0.

    >>> buckets({"prompt_tokens": 10, "completion_tokens": 5,
    ...          "prompt_tokens_details": {"cached_tokens": 4},
    ...          "completion_tokens_details": {"reasoning_tokens": 2}})
    {'text_input_tokens': 6, 'cache_read_tokens': 4, 'text_output_tokens': 3, \
'reasoning_output_tokens': 2}

    Raises:
        UsageUnreadable: it contradicts itself, or is no usage.
    """
    found = usage_from_response(usage, "litellm.usage")
    return found.model_dump(exclude_defaults=True)


def usage_of(operation: str, request: object, response: object) -> Usage:
    """Return the usage of one call: its tokens, or else its other units.

    Args:
        operation: as an event names it.
        request: litellm's dictionary of the call.
        response: what litellm returned.

    Raises:
        UsageUnreadable: what it says of usage contradicts itself, or is no usage.
    """
    stated = part(response, "usage")
    read = part(response, "usage_info")
    if operation == "ocr" and read is not None:
        return usage_from_response({"usage_info": read}, "mistral.ocr")
    if operation == "video_generation":
        body = {name: part(response, name) for name in ("usage", "seconds", "status")}
        return usage_from_response(body, "openai.videos")
    if _counts_something(stated):
        shape = _SHAPES.get(operation, "litellm.usage")
        found = usage_from_response({"usage": stated}, shape)
        if found.audio_seconds or any(getattr(found, name) for name in _TOKENS):
            return found
    return Usage.model_validate(other_units(operation, request, response))


def _counts_something(stated: object) -> bool:
    """Tell whether a usage is to be read: it states a count, or is no object at all."""
    if stated is None or isinstance(stated, str | int | float | list):
        return stated is not None
    return any(part(stated, name) is not None for name in _COUNTS)


def other_units(operation: str, request: object, response: object) -> dict[str, object]:
    """Return what an operation is billed by where it is not by tokens."""
    if operation in ("image_generation", "image_edit"):
        return {"image_count": len(part(response, "data") or ())}
    if operation == "speech":
        return {"characters": len(str(part(request, "input") or ""))}
    if operation == "transcription":
        return {"audio_seconds": _seconds(part(response, "duration"))}
    if operation == "rerank":
        billed = part(part(response, "meta"), "billed_units")
        return {"queries": int(part(billed, "search_units") or 0)}
    if operation == "search":
        asked = part(part(request, "optional_params"), "query")
        return {"queries": len(asked) if isinstance(asked, list) else 1}
    return {}


def chosen_for(operation: str, request: object, response: object) -> dict[str, object]:
    """Return what was chosen besides the model, as far as a price may depend on it.

    What the answer says was made wins over what was asked for.

    >>> chosen_for("search", {"optional_params": {"max_results": 50}}, None)
    {'max_results': 50}
    """
    asked = part(request, "optional_params")
    if operation in ("image_generation", "image_edit"):
        size = _first(asked, "size", "image_size", "resolution")
        body = {
            "size": part(response, "size") or _frame(size),
            "quality": part(response, "quality") or part(asked, "quality"),
        }
        return dict(drawn(Part(None, ""), Part(body, "")))
    if operation == "video_generation":
        usage = {"video_resolution": part(part(response, "usage"), "video_resolution")}
        size = part(response, "size") or _first(asked, "resolution", "size")
        return dict(filmed(Part(usage, ""), Part({"size": size}, "")))
    if operation == "search":
        most = part(asked, "max_results")
        return {"max_results": most} if isinstance(most, int) and most > 0 else {}
    return _searched_and_placed(asked, part(part(response, "usage"), "inference_geo"))


def _searched_and_placed(asked: object, place: object) -> dict[str, object]:
    options, tools = part(asked, "web_search_options"), part(asked, "tools")
    if options is None and tools is None and place is None:
        return {}
    context = part(options, "search_context_size")
    usage = Part({"search_context_size": context, "inference_geo": place}, "")
    return dict(searched(usage, Part({"tools": tools}, "")) | placed(usage, usage))


def _first(whole: object, *names: str) -> object:
    found = (part(whole, name) for name in names)
    return next((value for value in found if value is not None), None)


def _frame(size: object) -> object:
    """Name a size that is stated by its sides: {"width": 1024, "height": 768}."""
    width, height = part(size, "width"), part(size, "height")
    known = isinstance(width, int) and isinstance(height, int)
    return f"{width}x{height}" if known else size if size is None else str(size)


def _seconds(value: object) -> Decimal:
    known = isinstance(value, int | float | str)
    return Decimal(str(value)).quantize(Decimal("0.000001")) if known else Decimal(0)
