"""What a caller chose besides the model, where its price depends on that.

Pure. An image's size and quality, a video's resolution, how much context and how many
results a search brings back. The list states such prices beside the plain one, and a
choice puts the one it means in the plain one's place; a choice that the list says
nothing of changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final, NamedTuple, Protocol, cast

__all__ = ["NOTHING", "Choices", "Chooser", "by_choices", "choices_of", "has_choices"]

_IMAGE: Final = "output_cost_per_image"
_SECOND: Final = "output_cost_per_second"
_CONTEXT: Final = "search_context_cost_per_query"
_QUERY: Final = "input_cost_per_query"

_LABELLED: Final = {
    _IMAGE: re.compile(_IMAGE + r"_(?P<label>\d+(?:\.\d+)?K?)(?P<tier>_[a-z]+)?"),
    _SECOND: re.compile(_SECOND + r"_(?P<label>\d+[pk])(?P<tier>_[a-z]+)?"),
}
_FRAME: Final = re.compile(r"(\d{2,5})\s*[x*:×]\s*(\d{2,5})")  # noqa: RUF001
_NAMED_FRAMES: Final = {2160: "4k"}


class Chooser(Protocol):
    """Something that says what its caller chose, like an event of a call."""

    @property
    def image_size(self) -> str | None:
        """An image's size, as its provider calls it: "1024x1024", "2K"."""
        ...

    @property
    def image_quality(self) -> str | None:
        """An image's quality: "hd", "low"."""
        ...

    @property
    def video_resolution(self) -> str | None:
        """A video's resolution: "720p", "4k", or its frame: "1280x720"."""
        ...

    @property
    def search_context_size(self) -> str | None:
        """How much a search brings back: "low", "medium", "high"."""
        ...

    @property
    def max_results(self) -> int | None:
        """How many results a search may have."""
        ...


class Choices(NamedTuple):
    """What a caller chose; None where nobody said."""

    image_size: str | None = None
    image_quality: str | None = None
    video_resolution: str | None = None
    search_context_size: str | None = None
    max_results: int | None = None


NOTHING: Final = Choices()


def choices_of(call: Chooser) -> Choices:
    """Return what was chosen for a call."""
    return Choices(
        call.image_size,
        call.image_quality,
        call.video_resolution,
        call.search_context_size,
        call.max_results,
    )


def has_choices(fields: Mapping[str, object]) -> bool:
    """Whether an entry has prices that a choice decides on.

    >>> has_choices({"output_cost_per_image_2K": 1}), has_choices({"mode": "chat"})
    (True, False)
    """
    labelled = (p.fullmatch(name) for p in _LABELLED.values() for name in fields)
    return any(labelled) or bool(_sizes(fields)) or any(_by_results(fields))


def by_choices(fields: Mapping[str, object], choices: Choices) -> Mapping[str, object]:
    """Return an entry's fields with the prices of what was chosen in the plain places.

    >>> prices = {"output_cost_per_second": "0.1", "output_cost_per_second_4k": "0.3"}
    >>> by_choices(prices, Choices(video_resolution="3840x2160"))
    {'output_cost_per_second': '0.3'}
    >>> by_choices(prices, Choices(video_resolution="720p"))["output_cost_per_second"]
    '0.1'
    """
    found = dict(fields)
    if choices.image_size:
        found = _labelled(found, _IMAGE, choices.image_size.strip())
    if choices.video_resolution:
        found = _labelled(found, _SECOND, _resolution(choices.video_resolution))
    if choices.search_context_size:
        found |= _in_context(found, choices.search_context_size.strip().lower())
    if choices.max_results is not None:
        found |= _for_results(found, choices.max_results)
    return found


def _resolution(said: str) -> str:
    """A frame by the name of its lines: "1920x1080" is "1080p", upright as well."""
    frame = _FRAME.fullmatch(said.strip())
    if frame is None:
        return said.strip()
    lines = min(int(frame[1]), int(frame[2]))
    return _NAMED_FRAMES.get(lines, f"{lines}p")


def _labelled(fields: dict[str, object], plain: str, label: str) -> dict[str, object]:
    stated = {
        f"{plain}{found['tier'] or ''}": value
        for name, value in fields.items()
        if (found := _LABELLED[plain].fullmatch(name))
        and found["label"].lower() == label.lower()
    }
    if plain not in stated:
        return fields
    kept = {n: v for n, v in fields.items() if not _LABELLED[plain].fullmatch(n)}
    return kept | stated


def _sizes(fields: Mapping[str, object]) -> set[object]:
    """The prices of a search, if they differ by the size of its context."""
    table = fields.get(_CONTEXT)
    if not isinstance(table, dict):
        return set()
    prices = set(map(str, cast("dict[str, object]", table).values()))
    return set[object](prices) if len(prices) > 1 else set()


def _in_context(fields: Mapping[str, object], size: str) -> dict[str, object]:
    table = fields.get(_CONTEXT)
    stated = cast("dict[str, object]", table) if isinstance(table, dict) else {}
    price = stated.get(f"search_context_size_{size}")
    return {} if price is None else {_CONTEXT: dict.fromkeys(stated, price)}


def _by_results(
    fields: Mapping[str, object],
) -> Iterator[tuple[int, object]]:
    """The prices of a query by the most results that it may have, ascending."""
    rows = fields.get("tiered_pricing")
    for row in cast("list[object]", rows) if isinstance(rows, list) else []:
        tier = cast("dict[str, object]", row) if isinstance(row, dict) else {}
        limits = tier.get("max_results_range")
        if isinstance(limits, list) and _QUERY in tier:
            last = cast("list[object]", limits)[-1:]
            yield from (
                (int(end), tier[_QUERY])
                for end in last
                if isinstance(end, int | Decimal)
            )


def _for_results(fields: Mapping[str, object], results: int) -> dict[str, object]:
    """The price of the first row that has room for so many, else of the last row."""
    tiers = sorted(_by_results(fields), key=lambda row: row[0])
    fitting = [price for last, price in tiers if results <= last]
    stated = fitting or [price for _, price in tiers[-1:]]
    return {_QUERY: stated[0]} if stated else {}
