"""Entries of a price list for images of one size and quality: "hd/1024-x-1024/…".

Pure. The list files what an image costs under names of its own, beside the model's
plain entry or instead of one. An event names the model, the size and the quality.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Final, NamedTuple

from taximeter_processors.choices import Choices
from taximeter_processors.model_names import Match, families_of, family_of
from taximeter_processors.price_entries import pico_per_unit
from taximeter_schemas.money import PICO_PER_USD

__all__ = ["SizedEntries"]

_IMAGE_PRICES: Final = (
    "input_cost_per_image",
    "output_cost_per_image",
    "input_cost_per_pixel",
    "output_cost_per_pixel",
)

_NAME: Final = re.compile(
    r"(?:(?P<quality>[a-z]+)/)?(?P<width>\d+)-x-(?P<height>\d+)/"
    r"(?:(?P<steps>\d+|max)-steps/)?(?P<model>.+)"
)
_SIZE: Final = re.compile(r"(\d+)\s*(?:x|-x-|\*|×)\s*(\d+)")  # noqa: RUF001
_PLAIN: Final = ("", "standard")

# fal.ai prices every size by the listed one that is nearest to it, of high quality
# where none is asked for (litellm `llms/fal_ai/cost_calculator.py`).
_NEAREST: Final = "fal_ai"
_USUAL_AT_FAL: Final = "1024x768"
_NAMED_AT_FAL: Final = {
    "square_hd": "1024x1024",
    "square": "512x512",
    "portrait_4_3": "768x1024",
    "portrait_16_9": "576x1024",
    "landscape_4_3": "1024x768",
    "landscape_16_9": "1024x576",
}


class _Sized(NamedTuple):
    key: str
    quality: str
    width: int
    height: int


class SizedEntries:
    """The sized entries of a list, by provider and model.

    >>> sized = SizedEntries({
    ...     "azure/hd/1024-x-1792/dall-e-3": {"litellm_provider": "azure"},
    ...     "azure/standard/1024-x-1024/dall-e-3": {"litellm_provider": "azure"},
    ... })
    >>> sized.find("azure", "dall-e-3", Choices("1024x1792", "hd"))
    'azure/hd/1024-x-1792/dall-e-3'

    Without a quality it is the standard one; without a size nothing is guessed:

    >>> sized.find("azure", "dall-e-3", Choices("1024x1024"))
    'azure/standard/1024-x-1024/dall-e-3'
    >>> sized.find("azure", "dall-e-3", Choices()) is None
    True
    """

    def __init__(self, entries: Mapping[str, Mapping[str, object]]) -> None:
        self._entries = entries
        self._rows: dict[tuple[str, str], list[_Sized]] = {}
        for key, fields in entries.items():
            family = family_of(str(fields.get("litellm_provider")))
            found = _NAME.fullmatch(_bare(key, family)) if "-x-" in key else None
            # Of images made in more steps the event says nothing.
            if found and found["steps"] != "max":
                row = _Sized(
                    key,
                    found["quality"] or "",
                    int(found["width"]),
                    int(found["height"]),
                )
                model = _bare(found["model"], family).lower()
                self._rows.setdefault((family, model), []).append(row)

    def has(self, provider: str, model: str) -> bool:
        """Whether a model has entries by size."""
        return any(self._of(family, model) for family in families_of(provider))

    def drawn(
        self,
        provider: str,
        model: str,
        choices: Choices,
        found: Match | None,
        fields: Mapping[str, object],
    ) -> tuple[Match | None, Mapping[str, object]]:
        """Return the entry that was found with the prices of the image that was chosen.

        What the model's own entry says of tokens stays: an image that is billed by
        them is. Where it has none the sized entry is all that there is.

        Args:
            provider: as the event names it.
            model: as the event names it.
            choices: what its caller chose.
            found: the model's own entry.
            fields: what that entry says.
        """
        if found is not None:
            fields = _with_image_price(found.key, fields)
        sized = self.find(provider, found.key if found else model, choices)
        if sized is None or (found is not None and sized == found.key):
            return found, fields
        own = _with_image_price(sized, self._entries[sized])
        if found is None:
            return Match(sized, "image size"), own
        kept = {n: v for n, v in fields.items() if n not in _IMAGE_PRICES}
        image = {n: own[n] for n in _IMAGE_PRICES if n in own}
        return Match(found.key, f"image as {sized}"), {**kept, **image}

    def find(self, provider: str, model: str, choices: Choices) -> str | None:
        """Return the entry for an image as it was chosen, None if there is none."""
        if choices.image_size is None and choices.image_quality is None:
            return None
        for family in families_of(provider):
            rows = self._of(family, model)
            if rows and family == _NEAREST:
                return _nearest(rows, choices)
            if found := _exactly(rows, choices):
                return found
        return None

    def _of(self, family: str, model: str) -> list[_Sized]:
        return self._rows.get((family, _bare(model.strip(), family).lower()), [])


def _with_image_price(key: str, fields: Mapping[str, object]) -> Mapping[str, object]:
    """Return an entry whose images have a price, where its name tells their size.

    >>> found = _with_image_price(
    ...     "hd/10-x-20/m", {"input_cost_per_pixel": "0.001", "mode": "x"})
    >>> found["output_cost_per_image"]
    '1/5'
    """
    size = _SIZE.search(key)
    by_pixel = pico_per_unit(fields.get("input_cost_per_pixel"))
    if size is None or by_pixel is None or any(n in fields for n in _IMAGE_PRICES[:2]):
        return fields
    price = by_pixel * int(size[1]) * int(size[2]) / Fraction(PICO_PER_USD)
    return {**fields, "output_cost_per_image": str(price)}


def _bare(name: str, family: str) -> str:
    prefix, slash, rest = name.partition("/")
    return rest if slash and family in families_of(prefix) else name


def _frame(said: str | None) -> tuple[int, int] | None:
    found = _SIZE.fullmatch((said or "").strip().lower())
    return None if found is None else (int(found[1]), int(found[2]))


def _quality(choices: Choices) -> str:
    said = (choices.image_quality or "").strip().lower()
    return "" if said == "auto" else said


def _exactly(rows: list[_Sized], choices: Choices) -> str | None:
    frame, quality = _frame(choices.image_size), _quality(choices)
    for wanted in (quality,) if quality else _PLAIN:
        for row in rows:
            if (row.width, row.height) == frame and row.quality == wanted:
                return row.key
    return None


def _nearest(rows: list[_Sized], choices: Choices) -> str | None:
    said = _NAMED_AT_FAL.get(choices.image_size or "", choices.image_size)
    width, height = _frame(said) or _frame(_USUAL_AT_FAL) or (0, 0)
    quality = _quality(choices) or "high"
    fitting = [row for row in rows if row.quality == quality]
    nearest = sorted(
        fitting,
        key=lambda r: (abs(r.width * r.height - width * height), r.width * r.height),
    )
    return nearest[0].key if nearest else None
