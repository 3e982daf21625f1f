"""Real answers of providers with what they mean, and our buckets in the same words."""

from __future__ import annotations

import json
import lzma
from pathlib import Path
from typing import Any

from taximeter_schemas.usage import INPUT_TOKENS, OUTPUT_TOKENS, Usage

__all__ = ["CLASSES", "classes_of", "real_bodies"]

_FILE = Path(__file__).parent / "data" / "provider_usage" / "usage_bodies.json.xz"

# A class of tokens in the words of the data, which includes what is cached in each
# modality, and the buckets that make it up.
CLASSES: dict[str, tuple[str, ...]] = {
    "input_tokens": INPUT_TOKENS,
    "output_tokens": OUTPUT_TOKENS,
    "cache_read_tokens": (
        "cache_read_tokens",
        "cache_read_audio_tokens",
        "cache_read_image_tokens",
    ),
    "cache_audio_read_tokens": ("cache_read_audio_tokens",),
    "cache_image_read_tokens": ("cache_read_image_tokens",),
    "cache_write_tokens": ("cache_write_5m_tokens", "cache_write_1h_tokens"),
    "cache_write_5m_tokens": ("cache_write_5m_tokens",),
    "input_audio_tokens": ("audio_input_tokens", "cache_read_audio_tokens"),
    "input_image_tokens": ("image_input_tokens", "cache_read_image_tokens"),
    "output_image_tokens": ("image_output_tokens",),
    "output_reasoning_tokens": ("reasoning_output_tokens",),
    "web_searches": ("web_searches",),
}


def real_bodies() -> list[dict[str, Any]]:
    """Return all 794, each with `shape`, `body` and `expected`."""
    bodies: list[dict[str, Any]] = json.loads(lzma.decompress(_FILE.read_bytes()))
    return bodies


def classes_of(usage: Usage) -> dict[str, int]:
    """Return a usage in the words of the data."""
    counts = usage.model_dump()
    return {name: sum(counts[b] for b in made) for name, made in CLASSES.items()}
