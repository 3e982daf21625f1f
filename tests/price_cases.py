"""Calls drawn for one entry of the price list: what it can be used for, and how."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

from taximeter_processors.choices import NOTHING, Choices

__all__ = ["Counted", "Fields", "PriceCase", "drawn", "is_priced", "size_of"]

Counted = int | Decimal
Fields = Mapping[str, Any]

_START: Final = datetime(2026, 11, 2, tzinfo=UTC)  # a Monday
_IMAGES: Final = ("image_generation", "image_edit")
_TOKEN_PRICE: Final = re.compile(
    r"(in|out)put_cost_per(_audio|_image|_video|_reasoning)?_token"
)
_SIZE: Final = re.compile(r"(\d+)-x-(\d+)")
_THRESHOLD: Final = re.compile(r"_above_(\d+)k_tokens")
_SUFFIXES: Final = {
    "_batches": "batch",
    "_flex": "flex",
    "_balanced": "balanced",
    "_priority": "priority",
    "_ultrafast": "ultrafast",
    "_decisions": "decisions",
}
_TIERS: Final = ("standard", "fast", *_SUFFIXES.values(), "scale")

# How likely each class of tokens is in one call, text input apart.
_ODDS: Final = {
    "cache_read_tokens": 0.5,
    "cache_write_5m_tokens": 0.4,
    "cache_write_1h_tokens": 0.3,
    "text_output_tokens": 0.9,
    "reasoning_output_tokens": 0.5,
}
_MODAL_ODDS: Final = {
    "audio_input_tokens": 0.5,
    "image_input_tokens": 0.5,
    "video_input_tokens": 0.4,
    "cache_read_audio_tokens": 0.3,
    "cache_read_image_tokens": 0.3,
    "audio_output_tokens": 0.5,
    "image_output_tokens": 0.4,
    "video_output_tokens": 0.3,
}
_IMAGE_ODDS: Final = {
    "image_input_tokens": 0.5,
    "text_output_tokens": 0.3,
    "image_output_tokens": 0.9,
}

# Each other unit, and what a price for it may be called.
_UNITS: Final = {
    "image_count": r"(in|out)put_cost_per_image$",
    "characters": r"input_cost_per_character$",
    "output_characters": r"output_cost_per_character$",
    "pages": r"ocr_cost_per_page$",
    "annotated_pages": r"annotation_cost_per_page$",
    "credits": r"ocr_cost_per_credit$",
    "maps_queries": r"google_maps_grounding_cost_per_query$",
    "text_messages": r"input_cost_per_text_message$",
    "sessions": r"code_interpreter_cost_per_session$",
    "queries": r"input_cost_per_query$",
    "web_searches": r"search_context_cost_per_query$",
    "audio_seconds": r"input_cost_per_audio_per_second$",
    "video_seconds": r"(in|out)put_cost_per_video_per_second$",
}
_SECONDS: Final = r"(in|out)put_cost_per_second(_\d+[pk])?$|cost_per_second$"
_BY_SECOND: Final = {
    "audio_transcription": "audio_seconds",
    "audio_speech": "audio_seconds",
    "realtime": "audio_seconds",
    "video_generation": "video_seconds",
}
_REGIONS: Final = ("eu", "us", "global", "us-east5", "EU")


class PriceCase(NamedTuple):
    """One call of one entry of the list."""

    key: str
    counts: Mapping[str, Counted]
    tier: str = "standard"
    region: str | None = None
    at: datetime = _START
    duration_ms: int | None = None
    choices: Choices = NOTHING


def is_priced(fields: Fields) -> bool:
    """Whether the list states any price for an entry, be it 0."""
    return any("cost_per" in name or name == "tiered_pricing" for name in fields)


def drawn(
    key: str, fields: Fields, chance: random.Random, calls: int
) -> Iterator[PriceCase]:
    """Yield calls of every kind that the entry has a price for.

    Args:
        key: the entry's name in the list.
        fields: what the list says of it.
        chance: where the numbers come from.
        calls: how many calls by token; every other unit is drawn once.
    """
    plain = ((counts, NOTHING) for counts in _counts(key, fields, chance, calls))
    for counts, choices in (*plain, *_chosen(fields, chance)):
        yield PriceCase(
            key,
            counts,
            choices=choices,
            tier=_tier(fields, chance),
            region=chance.choice((None, *_REGIONS)),
            at=_START + timedelta(minutes=chance.randrange(7 * 24 * 60)),
            duration_ms=chance.randrange(1, 100_000),
        )


def _counts(
    key: str, fields: Fields, chance: random.Random, calls: int
) -> Iterator[Mapping[str, Counted]]:
    if _by_token(fields):
        for _ in range(calls):
            yield _tokens(fields, chance)
        for limit in sorted(_limits(fields)):
            yield from (_with_input(fields, chance, limit + d) for d in (-1, 0, 1))
    if fields.get("mode") == "audio_speech" and "output_cost_per_image" in fields:
        yield {}  # a song, which is sold by the call
    for unit in _units(fields):
        yield {unit: _amount(unit, chance)}
    if any("cost_per_pixel" in name for name in fields):
        width, height = size_of(key)
        yield {"image_pixels": chance.randrange(1, 10) * width * height}
        if _SIZE.search(key):
            yield {"image_count": chance.randrange(1, 5)}


_LABELLED: Final = re.compile(
    r"output_cost_per_(?P<what>image|second)_(?P<label>\d[\d.]*[pkK]?)"
)
_CONTEXTS: Final = ("low", "medium", "high", "auto")


def _chosen(
    fields: Fields, chance: random.Random
) -> Iterator[tuple[Mapping[str, Counted], Choices]]:
    """Calls with each choice that a price of the entry depends on."""
    for found in filter(None, map(_LABELLED.fullmatch, fields)):
        if found["what"] == "image":
            yield (
                {"image_count": _amount("image_count", chance)},
                Choices(found["label"]),
            )
        else:
            seconds = {"video_seconds": _amount("video_seconds", chance)}
            yield seconds, Choices(video_resolution=found["label"].upper())
            yield seconds, Choices(video_resolution="333p")
    if "search_context_cost_per_query" in fields:
        for size in _CONTEXTS:
            searches = {"web_searches": _amount("web_searches", chance)}
            yield searches, Choices(search_context_size=size)
    for row in fields.get("tiered_pricing") or ():
        for end in row.get("max_results_range", ()):
            queries = {"queries": _amount("queries", chance)}
            yield from ((queries, Choices(max_results=int(end) + d)) for d in (0, 1))


def _by_token(fields: Fields) -> bool:
    names = set(fields).union(*(fields.get("tiered_pricing") or ()))
    if fields.get("mode") in _IMAGES:  # "output_cost_per_token: 0.0" says nothing
        return "input_cost_per_token" in names
    return any(_TOKEN_PRICE.match(name) for name in names)


def size_of(key: str) -> tuple[int, int]:
    """Return the size in an entry's name, else the usual one.

    >>> size_of("azure/hd/1024-x-1792/dall-e-3"), size_of("azure_ai/FLUX.2-flex")
    ((1024, 1792), (1024, 1024))
    """
    found = _SIZE.search(key)
    return (int(found[1]), int(found[2])) if found else (1024, 1024)


def _units(fields: Fields) -> list[str]:
    names = set(fields).union(*(fields.get("tiered_pricing") or ()))
    units = [u for u, p in _UNITS.items() if any(re.match(p, n) for n in names)]
    if fields.get("mode") == "audio_speech":
        units = [unit for unit in units if unit != "image_count"]
    by_second = _BY_SECOND.get(str(fields.get("mode")))
    if by_second and any(re.match(_SECONDS, name) for name in fields):
        units.append(by_second)
    if not by_second and any(re.match(_SECONDS, name) for name in fields):
        units.append("text_input_tokens")
    return units


def _amount(unit: str, chance: random.Random) -> Counted:
    if unit.endswith("_seconds"):
        return Decimal(chance.randrange(1, 10_000_000)) / 1000
    # Few images: for each of them litellm reads all the names of its list.
    return chance.randrange(1, 5 if unit == "image_count" else 100)


def _tokens(fields: Fields, chance: random.Random) -> Mapping[str, int]:
    most = chance.choice((1_000, 50_000, 400_000))
    odds = _ODDS
    if fields.get("mode") == "rerank":
        odds = {}
    elif fields.get("mode") in _IMAGES:
        odds = _IMAGE_ODDS
    elif any("audio" in n or "image" in n or "video" in n for n in fields):
        odds = _ODDS | _MODAL_ODDS
    if "citation_cost_per_token" in fields:
        odds = odds | {"citation_tokens": 0.7}
    if "explicit_cache_read_input_token_cost" in fields:
        odds = odds | {"cache_read_explicit_tokens": 0.7}
    counts = {
        name: chance.randrange(1, most)
        for name, odd in odds.items()
        if chance.random() < odd
    }
    return {"text_input_tokens": chance.randrange(1, most)} | counts


def _with_input(
    fields: Fields, chance: random.Random, tokens: int
) -> Mapping[str, int]:
    """A call of so many input tokens, some of them read from a cache."""
    if fields.get("mode") in _IMAGES:
        return {"text_input_tokens": tokens, "image_output_tokens": 1_000}
    cached = chance.randrange(1, tokens)
    output = chance.randrange(1, 400_000)
    return {
        "text_input_tokens": tokens - cached,
        "cache_read_tokens": cached,
        "text_output_tokens": output,
    }


def _limits(fields: Fields) -> set[int]:
    found = {int(m[1]) * 1000 for name in fields for m in _THRESHOLD.finditer(name)}
    for tier in fields.get("tiered_pricing") or ():
        found.update(int(end) for end in tier.get("range", ()))
    return found - {0}


def _tier(fields: Fields, chance: random.Random) -> str:
    stated = {t for s, t in _SUFFIXES.items() if any(n.endswith(s) for n in fields)}
    if stated and chance.random() < 0.6:
        return chance.choice(sorted(stated))
    return chance.choice(("standard",) * 6 + _TIERS)
