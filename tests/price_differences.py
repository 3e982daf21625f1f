"""Where we deliberately price otherwise than litellm, and what litellm does instead.

Each row of docs/pricing.md, "Where we differ from litellm", stands here as a function
that turns a call, or what the list says of its model, into what litellm makes of it.
Priced so, our side must come out at litellm's amount: a difference is explained, not
excused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

from taximeter_processors.model_names import family_of
from tests.price_cases import Fields, PriceCase

__all__ = ["DIFFERENCES", "Difference"]

Seen = tuple[dict[str, Any], PriceCase]
"""The list's entry and the call, as litellm takes them."""


class Difference(NamedTuple):
    """One row of the table.

    Attributes:
        row: its number in docs/pricing.md.
        case: its first column there, word for word.
        source: where litellm does it.
        as_litellm: what litellm makes of an entry and a call.
    """

    row: int
    case: str
    source: str
    as_litellm: Callable[[dict[str, Any], PriceCase], Seen]


_TIERLESS: Final = frozenset(
    "fireworks_ai deepseek tencent xai perplexity dashscope qwencloud qwen_ai_platform"
    .split()
)
_IMAGES: Final = ("image_generation", "image_edit")
_INPUT: Final = "input_cost_per_token"
_OUTPUT: Final = "output_cost_per_token"
_READ: Final = "cache_read_input_token_cost"
_WRITE: Final = "cache_creation_input_token_cost"


def _family(fields: Fields) -> str:
    return family_of(str(fields["litellm_provider"]))


def _without(fields: Fields, *starts: str) -> dict[str, Any]:
    return {n: v for n, v in fields.items() if not n.startswith(starts)}


def _moved(case: PriceCase, classes: Mapping[str, str]) -> PriceCase:
    counts = dict(case.counts)
    for name, other in classes.items():
        if name in counts:
            counts[other] = counts.get(other, 0) + counts.pop(name)
    return case._replace(counts=counts)


def _no_tier(fields: dict[str, Any], case: PriceCase) -> Seen:
    if _family(fields) in _TIERLESS and case.tier != "batch":
        return fields, case._replace(tier="standard")
    return fields, case


def _no_image_tier(fields: dict[str, Any], case: PriceCase) -> Seen:
    if fields.get("mode") in _IMAGES:
        return fields, case._replace(tier="standard")
    return fields, case


def _perplexity(fields: dict[str, Any], case: PriceCase) -> Seen:
    if _family(fields) != "perplexity" or case.tier == "batch":
        return fields, case
    plain = {n: v for n, v in fields.items() if "_above_" not in n}
    return plain, _moved(
        case,
        {
            "cache_read_tokens": "text_input_tokens",
            "cache_write_5m_tokens": "text_input_tokens",
            "cache_write_1h_tokens": "text_input_tokens",
        },
    )


def _batch(fields: dict[str, Any], case: PriceCase) -> bool:
    return case.tier == "batch" and fields.get("mode") not in (*_IMAGES, "ocr")


def _half_in_batch(fields: dict[str, Any], case: PriceCase) -> Seen:
    if not _batch(fields, case):
        return fields, case
    seen = dict(fields)
    if fields.get(f"{_INPUT}_batches") is None:
        seen = _without(seen, f"{_INPUT}_above", f"{_READ}_above", f"{_WRITE}_above")
        price = Decimal(fields.get(_INPUT) or 0)
        seen[f"{_INPUT}_batches"] = price / 2
        seen[f"{_READ}_batches"] = Decimal(fields.get(_READ) or 0) / 2
        seen[f"{_WRITE}_batches"] = Decimal(fields.get(_WRITE) or price) / 2
        seen = _without(seen, "input_cost_per_audio", "input_cost_per_image_")
        seen = _without(seen, "input_cost_per_video_token", "cache_read_input_audio")
    if fields.get(f"{_OUTPUT}_batches") is None:
        seen = _without(seen, f"{_OUTPUT}_above")
        seen[f"{_OUTPUT}_batches"] = Decimal(fields.get(_OUTPUT) or 0) / 2
    return seen, case


def _cached_in_batch(fields: dict[str, Any], case: PriceCase) -> Seen:
    """Cached tokens without a batch price are ordinary batch input."""
    if not _batch(fields, case):
        return fields, case
    classes = {"cache_read_audio_tokens": "cache_read_tokens"}
    classes |= {"cache_read_image_tokens": "cache_read_tokens"}
    if fields.get(f"{_READ}_batches") is None:
        classes["cache_read_tokens"] = "text_input_tokens"
    return fields, _moved(case, classes)


def _written_in_batch(fields: dict[str, Any], case: PriceCase) -> Seen:
    """There is one price for writing to a cache in a batch, however long it lasts."""
    if not _batch(fields, case):
        return fields, case
    classes = {"cache_write_1h_tokens": "cache_write_5m_tokens"}
    if fields.get(f"{_WRITE}_batches") is None:
        classes["cache_write_5m_tokens"] = "text_input_tokens"
    return fields, _moved(case, classes)


def _long_in_batch(fields: dict[str, Any], case: PriceCase) -> Seen:
    if not _batch(fields, case):
        return fields, case
    standard = {
        n for n in fields if "_above_" in n and n.endswith("_tokens") and "1hr" not in n
    }
    return {n: v for n, v in fields.items() if n not in standard}, case


def _modal_in_batch(fields: dict[str, Any], case: PriceCase) -> Seen:
    """What a batch has no price for is text: heard, seen, spoken or thought."""
    if not _batch(fields, case):
        return fields, case
    classes = {
        f"{kind}_input_tokens": "text_input_tokens"
        for kind in ("audio", "image", "video")
        if fields.get(f"input_cost_per_{kind}_token_batches") is None
    }
    classes |= {
        "reasoning_output_tokens": "text_output_tokens",
        "audio_output_tokens": "text_output_tokens",
        "video_output_tokens": "text_output_tokens",
    }
    seen = dict(fields)
    image = "output_cost_per_image_token"
    if fields.get(f"{image}_batches") is None and fields.get(image) is not None:
        seen[f"{image}_batches"] = Decimal(fields[image]) / 2
    elif fields.get(image) is None:
        classes["image_output_tokens"] = "text_output_tokens"
    return seen, _moved(case, classes)


def _unpriced_is_free(fields: dict[str, Any], case: PriceCase) -> Seen:
    return {_INPUT: 0, _OUTPUT: 0} | fields, case


def _image_text(fields: dict[str, Any], case: PriceCase) -> Seen:
    image = fields.get("output_cost_per_image_token")
    if image is None or fields.get(_OUTPUT) or case.tier == "batch":
        return fields, case
    return fields | {_OUTPUT: image}, case


def _cached_images(fields: dict[str, Any], case: PriceCase) -> Seen:
    return fields, _moved(case, {"cache_read_image_tokens": "cache_read_tokens"})


DIFFERENCES: Final = (
    Difference(1, "tierless", "", _no_tier),
    Difference(17, "imagetier", "", _no_image_tier),
    Difference(2, "perplexity", "", _perplexity),
    Difference(5, "half", "", _half_in_batch),
    Difference(6, "cached in batch", "", _cached_in_batch),
    Difference(7, "long in batch", "", _long_in_batch),
    Difference(8, "written in batch", "", _written_in_batch),
    Difference(18, "modal in batch", "", _modal_in_batch),
    Difference(10, "image text", "", _image_text),
    Difference(9, "unpriced", "", _unpriced_is_free),
    Difference(12, "cached images", "", _cached_images),
)
