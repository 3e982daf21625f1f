"""The body of an answer, metered while somebody reads it.

It takes the place of the HTTP client's own stream of bytes, below whatever the
provider's library makes of it, so what the library's callers get is the library's own.
"""

from __future__ import annotations

import weakref
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

from taximeter_producers.wrapping.exchange import Exchange
from taximeter_producers.wrapping.later import later

__all__ = ["meter_reading"]


def meter_reading(
    response: Any,
    exchange: Exchange,
    *,
    asynchronous: bool,
) -> None:
    """Have the exchange settled when the response has been read, or is let go."""
    kind = _metered(type(response.stream), asynchronous=asynchronous)
    later.ready()  # a finalizer could not start its thread
    reading = kind(response.stream, exchange)
    weakref.finalize(reading, exchange.abandoned)
    response.stream = reading


class _Reading:
    """What both kinds have in common."""

    def __init__(self, inner: Any, exchange: Exchange) -> None:
        self._inner = inner
        self._exchange = exchange


class _SyncReading(_Reading):
    """Reads on behalf of a synchronous client."""

    def __iter__(self) -> Iterator[bytes]:
        collected = self._exchange.collected
        try:
            for part in self._inner:
                collected.add(part)
                yield part
        except GeneratorExit:
            raise
        except BaseException as error:
            self._exchange.ended(error)
            raise
        self._exchange.ended()

    def close(self) -> None:
        """Close what is read; whoever stops early comes here too."""
        try:
            self._inner.close()
        finally:
            self._exchange.ended()


class _AsyncReading(_Reading):
    """Reads on behalf of an asynchronous client."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        collected = self._exchange.collected
        try:
            async for part in self._inner:
                collected.add(part)
                yield part
        except GeneratorExit:
            raise
        except BaseException as error:
            self._exchange.ended(error)
            raise
        self._exchange.ended()

    async def aclose(self) -> None:
        """Close what is read; whoever stops early comes here too."""
        try:
            await self._inner.aclose()
        finally:
            self._exchange.ended()


_kinds: Final[dict[tuple[type, bool], type[Any]]] = {}


def _metered(kind: type, *, asynchronous: bool) -> type[Any]:
    """Return a class that the HTTP client takes for a stream of its own.

    It looks for its base class, of which httpx and httpx2 have one each.
    """
    made = _kinds.get((kind, asynchronous))
    if made is None:
        name = "AsyncByteStream" if asynchronous else "SyncByteStream"
        base = next((one for one in kind.__mro__ if one.__name__ == name), object)
        reading = _AsyncReading if asynchronous else _SyncReading
        made = type(f"Metered{name}", (reading, base), {})
        _kinds[kind, asynchronous] = made
    return made
