"""Calls within calls: one call seen by two instrumentations, one around the other.

A framework's `chat` span may lie around the `chat` span of the client that it uses, and
state the same usage. Children end first, and so arrive first, often in an earlier
request; so what was counted is remembered by the spans that it lies in.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from taximeter.otlp.spans import Span

__all__ = ["Nesting", "Stated", "inner_first"]

_MOST: Final = 200_000
_MOST_BELOW: Final = 256

_Place = tuple[str, str]


@dataclass(frozen=True)
class Stated:
    """What a counted call stated: its tokens, and the provider's id of its answer."""

    input_tokens: int = 0
    output_tokens: int = 0
    response_id: str | None = None


class Nesting:
    """Remembers which calls were counted within which spans, as far as there is room.

    Args:
        most: calls times the spans that they lie in; the oldest are forgotten first.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._held = 0
        self._within: OrderedDict[_Place, dict[str, Stated]] = OrderedDict()

    def restates(self, span: Span, stated: Stated) -> bool:
        """Tell whether a span states what calls within it have been counted for."""
        within = self._within.get((span.trace_id, span.span_id))
        return bool(within) and _restates(stated, (within or {}).values())

    def leave(self, span: Span, counted: Stated | None) -> None:
        """Take note that a span is done with; `counted` if it was counted itself.

        Said twice of one span, as when a request comes again, it changes nothing.
        """
        known = dict(self._within.get((span.trace_id, span.span_id), {}))
        if counted is not None:
            known[span.span_id] = counted
        if known and span.parent_id:
            self._add((span.trace_id, span.parent_id), known)

    def _add(self, place: _Place, known: Mapping[str, Stated]) -> None:
        within = self._within.setdefault(place, {})
        self._held -= len(within)
        within |= known
        while len(within) > _MOST_BELOW:
            del within[next(iter(within))]
        self._held += len(within)
        while self._held > self._most:
            _, forgotten = self._within.popitem(last=False)
            self._held -= len(forgotten)


def inner_first(spans: Sequence[Span]) -> list[Span]:
    """Return spans so that each stands behind those within it.

    >>> outer, inner = Span("1", "a"), Span("1", "b", parent_id="a")
    >>> [span.span_id for span in inner_first([outer, inner])]
    ['b', 'a']
    """
    places = {(span.trace_id, span.span_id) for span in spans}
    children: dict[_Place, list[int]] = {}
    order: list[int] = []
    for at, span in enumerate(spans):
        around = (span.trace_id, span.parent_id)
        if span.parent_id and around in places:
            children.setdefault(around, []).append(at)
        else:
            order.append(at)
    for at in order:  # grows while it is read: outer ones first
        order.extend(children.pop((spans[at].trace_id, spans[at].span_id), ()))
    in_circles = [at for some in children.values() for at in some]
    return [spans[at] for at in reversed(order + in_circles)]


def _restates(outer: Stated, within: Collection[Stated]) -> bool:
    """Tell whether a call is one of those within it, or their sum.

    It is, if it has the id of one of them. An id of its own makes it a call of its own.
    Without ids to go by, it is if it states no more than they do together.
    """
    if outer.response_id and any(outer.response_id == s.response_id for s in within):
        return True
    if outer.response_id and all(one.response_id for one in within):
        return False
    return outer.input_tokens <= sum(
        one.input_tokens for one in within
    ) and outer.output_tokens <= sum(one.output_tokens for one in within)
