"""Where we deliberately price otherwise than litellm, and what litellm does instead.

Each row of docs/pricing.md, "Where we differ from litellm", that concerns amounts
stands here as a function which turns a call, or what the list says of its model, into
what litellm makes of it. Priced so, our side must come out at litellm's amount: a
difference is explained, not excused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from typing import Any, Final, NamedTuple

from taximeter_processors.choices import NOTHING
from taximeter_processors.model_names import family_of
from taximeter_processors.price_book import litellm_price_file
from tests.price_cases import Fields, PriceCase

__all__ = [
    "DIFFERENCES",
    "OTHER_ROWS",
    "UNCOUNTED",
    "Difference",
    "as_litellm",
    "is_refused",
]

Entry = dict[str, Any]
Seen = tuple[Entry, PriceCase]
"""The list's entry and the call, as litellm takes them."""


class Difference(NamedTuple):
    """One row of the table, and what litellm makes of an entry and a call."""

    row: int
    as_litellm: Callable[[Entry, PriceCase], Seen]


_TIERLESS: Final = frozenset(
    (
        "fireworks_ai",
        "deepseek",
        "tencent",
        "xai",
        "perplexity",
        "dashscope",
        "qwencloud",
        "qwen_ai_platform",
    )
)
_IMAGES: Final = ("image_generation", "image_edit")
_INPUT: Final = "input_cost_per_token"
_OUTPUT: Final = "output_cost_per_token"
_READ: Final = "cache_read_input_token_cost"
_WRITE: Final = "cache_creation_input_token_cost"
_IMAGE: Final = "output_cost_per_image_token"


def _family(fields: Fields) -> str:
    return family_of(str(fields["litellm_provider"]))


def _without(fields: Fields, *starts: str) -> Entry:
    return {n: v for n, v in fields.items() if not n.startswith(starts)}


def _moved(case: PriceCase, classes: Mapping[str, str]) -> PriceCase:
    counts = dict(case.counts)
    for name, other in classes.items():
        if name in counts:
            counts[other] = counts.get(other, 0) + counts.pop(name)
    return case._replace(counts=counts)


def _uncounted(case: PriceCase, *units: str) -> PriceCase:
    counts = {n: c for n, c in case.counts.items() if n not in units}
    return case._replace(counts=counts)


def _in_tokens(case: PriceCase) -> bool:
    return any(name.endswith("_tokens") for name in case.counts)


def _batch(fields: Fields, case: PriceCase) -> bool:
    by_token = case.tier == "batch" and _in_tokens(case)
    return by_token and fields.get("mode") not in _IMAGES


def _tierless(fields: Entry, case: PriceCase) -> Seen:
    if _family(fields) in _TIERLESS and case.tier != "batch":
        return fields, case._replace(tier="standard")
    return fields, case


def _tierless_images(fields: Entry, case: PriceCase) -> Seen:
    if fields.get("mode") in _IMAGES:
        return fields, case._replace(tier="standard")
    return fields, case


def _perplexity(fields: Entry, case: PriceCase) -> Seen:
    if _family(fields) != "perplexity" or case.tier == "batch":
        return fields, case
    plain = {n: v for n, v in fields.items() if "_above_" not in n}
    cached = [name for name in case.counts if name.startswith("cache_")]
    return plain, _moved(case, dict.fromkeys(cached, "text_input_tokens"))


def _repeated_provider(fields: Entry, case: PriceCase) -> Seen:
    """Of "perplexity/perplexity/sonar" it makes "perplexity/sonar", another model."""
    provider = f"{_family(fields)}/"
    if not case.key.startswith(provider * 2) or case.tier == "batch":
        return fields, case
    return _entries().get(case.key.removeprefix(provider), fields), case


def _modal_tiers(fields: Entry, case: PriceCase) -> Seen:
    """These keys are dropped when an entry is loaded."""
    lost = ("input_cost_per_audio_token_", "cache_read_input_audio_token_cost_")
    kept = {
        name: value
        for name, value in fields.items()
        if not (name.startswith(lost) and name.endswith(("_priority", "_flex")))
    }
    return kept, case


def _tables_in_batch(fields: Entry, case: PriceCase) -> Seen:
    if not _batch(fields, case):
        return fields, case
    lost = ["tiered_pricing", "cost_per_second", "input_cost_per_second"]
    if fields.get("mode") == "audio_speech":
        lost.append("output_cost_per_image")  # a song
    return _without(fields, *lost), _uncounted(case, "citation_tokens")


def _half_in_batch(fields: Entry, case: PriceCase) -> Seen:
    """A batch costs half of the short standard price where no price is stated."""
    if not _batch(fields, case):
        return fields, case
    seen = dict(fields)
    if fields.get(f"{_INPUT}_batches") is None:
        short = Decimal(fields.get(_INPUT) or 0)
        long = (f"{_INPUT}_above", f"{_READ}_above", f"{_WRITE}_above")
        modal = ("input_cost_per_audio", "input_cost_per_image_", "input_cost_per_v")
        seen = _without(seen, *long, *modal, "cache_read_input_audio")
        seen[f"{_INPUT}_batches"] = short / 2
        seen[f"{_READ}_batches"] = Decimal(fields.get(_READ) or 0) / 2
        seen[f"{_WRITE}_batches"] = Decimal(fields.get(_WRITE) or short) / 2
    if fields.get(f"{_OUTPUT}_batches") is None:
        seen = _without(seen, f"{_OUTPUT}_above")
        seen[f"{_OUTPUT}_batches"] = Decimal(fields.get(_OUTPUT) or 0) / 2
    return seen, case


def _cached_in_batch(fields: Entry, case: PriceCase) -> Seen:
    """Cached tokens without a batch price are ordinary batch input."""
    if not _batch(fields, case):
        return fields, case
    classes = {"cache_read_explicit_tokens": "cache_read_tokens"}
    classes |= {"cache_read_audio_tokens": "cache_read_tokens"}
    classes |= {"cache_read_image_tokens": "cache_read_tokens"}
    if fields.get(f"{_READ}_batches") is None:
        classes["cache_read_tokens"] = "text_input_tokens"
    return fields, _moved(case, classes)


def _long_in_batch(fields: Entry, case: PriceCase) -> Seen:
    """A long batch without a long batch price has the short batch price."""
    if not _batch(fields, case):
        return fields, case
    kept = {
        name: value
        for name, value in fields.items()
        if "_above_" not in name or not name.endswith("_tokens") or "1hr" in name
    }
    return kept, case


def _written_in_batch(fields: Entry, case: PriceCase) -> Seen:
    """There is one price for writing to a cache in a batch, however long it lasts."""
    if not _batch(fields, case):
        return fields, case
    classes = {
        "cache_write_1h_tokens": "cache_write_5m_tokens",
        "cache_write_12h_tokens": "cache_write_5m_tokens",
    }
    if fields.get(f"{_WRITE}_batches") is None:
        classes["cache_write_5m_tokens"] = "text_input_tokens"
    return fields, _moved(case, classes)


def _modal_in_batch(fields: Entry, case: PriceCase) -> Seen:
    """What has no batch price of its own is text: heard, seen, spoken or thought."""
    if not _batch(fields, case):
        return fields, case
    classes = {
        f"{kind}_input_tokens": "text_input_tokens"
        for kind in ("audio", "image", "video")
        if fields.get(f"input_cost_per_{kind}_token_batches") is None
    }
    spoken = ("reasoning_output_tokens", "audio_output_tokens", "video_output_tokens")
    classes |= dict.fromkeys(spoken, "text_output_tokens")
    seen = dict(fields)
    if fields.get(_IMAGE) is None:
        classes["image_output_tokens"] = "text_output_tokens"
    elif fields.get(f"{_IMAGE}_batches") is None:
        seen[f"{_IMAGE}_batches"] = Decimal(fields[_IMAGE]) / 2
    return seen, _moved(case, classes)


def _region_in_batch(fields: Entry, case: PriceCase) -> Seen:
    if _batch(fields, case) and _family(fields) == "anthropic":
        return fields, case._replace(region=None)
    return fields, case


def _text_of_images(fields: Entry, case: PriceCase) -> Seen:
    if fields.get(_IMAGE) is None or fields.get(_OUTPUT) or case.tier == "batch":
        return fields, case
    return fields | {_OUTPUT: fields[_IMAGE]}, case


def _cached_images(fields: Entry, case: PriceCase) -> Seen:
    return fields, _moved(case, {"cache_read_image_tokens": "cache_read_tokens"})


def _requests(fields: Entry, case: PriceCase) -> Seen:
    return _without(fields, "input_cost_per_request"), case


def _unheard_seconds(fields: Entry, case: PriceCase) -> Seen:
    if fields.get("mode") in ("audio_speech", "realtime"):
        return fields, _uncounted(case, "audio_seconds")
    return fields, case


def _unread_tokens(fields: Entry, case: PriceCase) -> Seen:
    by_token = fields.get("mode") == "rerank" and _family(fields) in _RERANK_BY_TOKEN
    if by_token or fields.get("mode") not in ("rerank", "ocr") or case.tier == "batch":
        return fields, case
    return fields | {_INPUT: 0, _OUTPUT: 0}, case


_RERANK_BY_TOKEN: Final = ("jina_ai", "voyage")


def _images_elsewhere(fields: Entry, case: PriceCase) -> Seen:
    """Outside of image models an image is one that was taken in, beside tokens."""
    if fields.get("mode") in _IMAGES or "image_count" not in case.counts:
        return fields, case
    taken = _without(fields, "output_cost_per_image")
    if fields.get("mode") == "video_generation" or _INPUT not in fields:
        taken["input_cost_per_image"] = 0
    return {"input_cost_per_image": 0} | taken, case


def _sized_images(fields: Entry, case: PriceCase) -> Seen:
    if "gpt-image" in case.key and fields.get("mode") in _IMAGES:
        return fields, _uncounted(case, "image_count", "image_pixels")
    return fields, case


def _unfound(fields: Entry, case: PriceCase) -> Seen:
    if _batch(fields, case) and case.key.startswith("jamba-"):
        return fields, case._replace(counts={})
    return fields, case


def _low_context(fields: Entry, case: PriceCase) -> Seen:
    if _family(fields) == "perplexity":
        return fields, case._replace(choices=NOTHING)
    return fields, case


def _explicit_reads(fields: Entry, case: PriceCase) -> Seen:
    return fields, _moved(case, {"cache_read_explicit_tokens": "cache_read_tokens"})


def _text_messages(fields: Entry, case: PriceCase) -> Seen:
    return fields, _uncounted(case, "text_messages")


def _decisions(fields: Entry, case: PriceCase) -> Seen:
    if case.tier == "decisions":
        return fields, case._replace(tier="standard")
    return fields, case


def _unpriced_is_free(fields: Entry, case: PriceCase) -> Seen:
    return {_INPUT: 0, _OUTPUT: 0} | fields, case


DIFFERENCES: Final = (
    Difference(1, _tierless),
    Difference(2, _perplexity),
    Difference(3, _repeated_provider),
    Difference(4, _modal_tiers),
    Difference(17, _tierless_images),
    Difference(20, _tables_in_batch),
    Difference(5, _half_in_batch),
    Difference(6, _cached_in_batch),
    Difference(7, _long_in_batch),
    Difference(8, _written_in_batch),
    Difference(18, _modal_in_batch),
    Difference(21, _region_in_batch),
    Difference(10, _text_of_images),
    Difference(12, _cached_images),
    Difference(19, _requests),
    Difference(22, _unheard_seconds),
    Difference(23, _images_elsewhere),
    Difference(24, _unread_tokens),
    Difference(25, _sized_images),
    Difference(26, _unfound),
    Difference(28, _low_context),
    Difference(29, _explicit_reads),
    Difference(30, _text_messages),
    Difference(31, _decisions),
    Difference(9, _unpriced_is_free),
)
"""In the order in which litellm's own steps follow each other."""

OTHER_ROWS: Final = frozenset({11, 13, 14, 15, 16, 27})
"""Rows about which call means what; each has a test of its own in `test_pricing.py`."""


UNCOUNTED: Final = frozenset({"bedrock/guardrails"})
"""Entries that state a price and sell nothing that a usage event counts: row 27."""


def as_litellm(fields: Fields, case: PriceCase) -> tuple[Entry, PriceCase, list[int]]:
    """Return what litellm makes of a call, and the rows that say so."""
    seen: Seen = (dict(fields), case)
    rows: list[int] = []
    for difference in DIFFERENCES:
        before, seen = seen, difference.as_litellm(*seen)
        if seen != before:
            rows.append(difference.row)
    return *seen, rows


_UPSCALED: Final = re.compile(r"stability\.stable-(?!image-)")


def is_refused(fields: Fields, case: PriceCase) -> bool:
    """Whether litellm raises instead of pricing a call: row 26."""
    family = _family(fields)
    edited = fields.get("mode") == "image_edit" and bool(_UPSCALED.search(case.key))
    signed_in = family == "github_copilot" and case.tier == "batch"
    drawn = family == "fireworks_ai" and fields.get("mode") in _IMAGES
    return edited or signed_in or (drawn and _in_tokens(case))


@cache
def _entries() -> dict[str, Entry]:
    return litellm_price_file().entries()
