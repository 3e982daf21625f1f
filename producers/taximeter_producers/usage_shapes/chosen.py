"""What an answer says of what was chosen: size, quality, resolution, context.

Pure. Providers repeat some of the request in their answers; prices depend on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from taximeter_producers.attribution import label
from taximeter_producers.usage_shapes.bodies import Part

__all__ = [
    "Chosen",
    "context_of_search",
    "drawn",
    "filmed",
    "placed",
    "searched",
    "unsaid",
]

Chosen = dict[str, str]
"""By the names of the usage event's fields."""

_LEFT_OPEN: Final = ("auto", "", "global", "not_available")


def unsaid(usage: Part, body: Part) -> Chosen:
    """Say nothing: most answers tell of no choice that a price depends on."""
    del usage, body
    return {}


def drawn(usage: Part, body: Part) -> Chosen:
    """Say how large and how good the images of an answer are."""
    del usage
    return _said(image_size=body.value("size"), image_quality=body.value("quality"))


def placed(usage: Part, body: Part) -> Chosen:
    """Say where Anthropic served a message, if not anywhere in the world."""
    del body
    return _said(region=usage.value("inference_geo"))


def filmed(usage: Part, body: Part) -> Chosen:
    """Say in which resolution a video was made: by its name, or by its frame."""
    named = usage.value("video_resolution") or body.value("resolution")
    return _said(video_resolution=named or body.value("size"))


def searched(usage: Part, body: Part) -> Chosen:
    """Say how much context searches brought back, by the usage or the tools."""
    stated = usage.value("search_context_size")
    size = stated or context_of_search(body.value("tools"))
    return _said(search_context_size=size)


def context_of_search(tools: object) -> object:
    """Return the first size of a search's context in a list of tools.

    >>> context_of_search([{"type": "web_search", "search_context_size": "low"}])
    'low'
    """
    listed = tools if isinstance(tools, list | tuple) else ()
    sizes = (t.get("search_context_size") for t in listed if isinstance(t, Mapping))
    return next((size for size in sizes if size), None)


def _said(**found: object) -> Chosen:
    named = {n: label(v) for n, v in found.items() if isinstance(v, str)}
    return {n: v for n, v in named.items() if v and v not in _LEFT_OPEN}
