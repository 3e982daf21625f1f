"""Cohere's chat, embeddings and rerank: what it bills stands in `billed_units`.

Version 1 of its API has them in `meta`, version 2 of chat in `usage`. The `tokens`
beside them count Cohere's own additions to the prompt, which it does not bill, so they
are read only where nothing else is stated. Cached tokens are counted among those, and
are no price class of their own.
"""

from __future__ import annotations

from taximeter_producers.usage_shapes.bodies import Part
from taximeter_producers.usage_shapes.counted import Counted
from taximeter_producers.usage_shapes.openai_tokens import require

__all__ = ["read_cohere"]


def read_cohere(usage: Part, body: Part) -> Counted:
    """Read what one call is billed for: tokens, searches, images."""
    del body
    require(usage, "billed_units", "tokens")
    billed, counted = usage.part("billed_units"), usage.part("tokens")
    units = {
        "queries": billed.count("search_units"),
        "image_count": billed.count("images"),
    }
    of = billed if billed.said else counted
    image = of.count("image_tokens")
    if not any(units.values()):
        require(of, "input_tokens", "output_tokens", "image_tokens", "classifications")
    return Counted(
        input=of.count("input_tokens") + image,
        output=of.count("output_tokens"),
        input_by={"image": image} if image else {},
        units=units,
        input_name=of.name("input_tokens"),
        output_name=of.name("output_tokens"),
    )
