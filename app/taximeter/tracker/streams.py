"""Lets trackers hear of a stream's end before the loop over it is left."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, Final, Protocol

__all__ = ["EndsOfStreams", "watch_stream"]

_ENDING: Final = "_taximeter_ending"


class EndsOfStreams(Protocol):
    """Who wants to hear of it."""

    def ended(self, call_id: object) -> None:
        """Take note of a stream's end."""
        ...

    async def ended_async(self, call_id: object) -> None:
        """Do the same in an event loop."""
        ...


def watch_stream(
    stream: object, call_id: object, listeners: Iterable[EndsOfStreams]
) -> None:
    """Tell the listeners when a stream has been read to its end.

    The stream stays the object that it is, of a class that differs in nothing else.
    """
    listening = tuple(listeners)
    if not listening:
        return
    try:
        setattr(stream, _ENDING, (call_id, listening))
        kind: Any = type(stream)
        stream.__class__ = _watched(kind)
    except (AttributeError, TypeError):
        return  # of a kind that cannot be watched: litellm tells of it a little later


@cache
def _watched(kind: Any) -> Any:  # noqa: ANN401 - litellm has several kinds
    ways = {"__next__": _next(kind), "__anext__": _anext(kind)}
    known = {name: way for name, way in ways.items() if hasattr(kind, name)}
    return type(kind.__name__, (kind,), known)


def _next(kind: Any) -> object:  # noqa: ANN401
    def __next__(self: object) -> object:  # noqa: N807
        try:
            return kind.__next__(self)
        except StopIteration:
            call_id, listeners = getattr(self, _ENDING)
            for listener in listeners:
                listener.ended(call_id)
            raise

    return __next__


def _anext(kind: Any) -> object:  # noqa: ANN401
    async def __anext__(self: object) -> object:  # noqa: N807
        try:
            return await kind.__anext__(self)
        except StopAsyncIteration:
            call_id, listeners = getattr(self, _ENDING)
            for listener in listeners:
                await listener.ended_async(call_id)
            raise

    return __anext__
