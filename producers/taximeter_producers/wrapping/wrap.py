"""What a program calls to have its clients metered: one of them, or all.

client = taximeter.wrap(OpenAI())
taximeter.instrument()
"""

from __future__ import annotations

import functools
import inspect
import logging
import threading
import weakref
from typing import Any, Final, TypeVar

from taximeter_producers.meter import Meter
from taximeter_producers.wrapping.clients import LIBRARIES, Library, library_of
from taximeter_producers.wrapping.seam import Seam

__all__ = ["instrument", "uninstrument", "unwrap", "wrap"]

log = logging.getLogger(__name__)

C = TypeVar("C")


class _Instrumented:
    """What `instrument` has changed, to be taken back."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.originals: dict[tuple[type, str], Any] = {}
        self.metered: weakref.WeakSet[Any] = weakref.WeakSet()


_instrumented: Final = _Instrumented()


def wrap(client: C, *, provider: str | None = None, meter: Meter | None = None) -> C:
    """Meter a provider's client, and return it: the same object, of the same class.

    Every call that it makes from now on, streamed or not, is an event of the meter;
    what its methods take, return and raise stays as it is. Clients made from it
    (`with_options`) are metered as well. Wrapping twice is wrapping once.

    Args:
        client: of OpenAI, Anthropic, google-genai, Mistral or Cohere, sync or async,
            or of a class derived from theirs; or boto3's for Bedrock.
        provider: whose API answers, for a host of your own; else the host says it.
        meter: takes the events; by default that of the process, as it is when a call
            is made.

    Raises:
        TypeError: it is no client of a library that is known here.
    """
    library = library_of(client)
    if library is None:
        known = ", ".join(one.name for one in LIBRARIES)
        raise TypeError(
            f"cannot wrap {type(client).__name__}: it is no client of {known}; "
            "see docs/integrations.md for other ways"
        )
    seam = Seam(meter, provider, library.vendor)
    try:
        found = library.http_clients(client)
        for http in found:
            Seam.take_from(http)  # what was said last holds
            _instrumented.metered.discard(http)
            seam.put_into(http)
    except Exception:
        found = []
    if not found:
        log.exception("%s is not metered: it was not understood", library.name)
    return client


def unwrap(client: C) -> C:
    """Stop metering a client, and return it."""
    library = library_of(client)
    for http in library.http_clients(client) if library else ():
        Seam.take_from(http)
    return client


def instrument(*, meter: Meter | None = None) -> list[str]:
    """Meter all clients of the libraries that are imported, also those made already.

    Call it after the imports; calling it again adds what was imported since.

    Returns:
        The names of the libraries that are metered now.
    """
    with _instrumented.lock:
        for library in LIBRARIES:
            seam = Seam(meter, vendor=library.vendor)
            for kind, method in library.entrances():
                if (kind, method) not in _instrumented.originals:
                    _open(library, kind, method, seam)
        changed = {kind.__module__ for kind, _ in _instrumented.originals}
    return [
        one.name for one in LIBRARIES if any(m.startswith(one.name) for m in changed)
    ]


def uninstrument() -> None:
    """Take back what `instrument` did; clients that were wrapped stay metered."""
    with _instrumented.lock:
        for (kind, method), original in _instrumented.originals.items():
            setattr(kind, method, original)
        _instrumented.originals.clear()
        for http in list(_instrumented.metered):
            Seam.take_from(http)
        _instrumented.metered.clear()


def _open(library: Library, kind: type, method: str, seam: Seam) -> None:
    """Have a call put the seam into its client's HTTP clients before it begins."""
    original = vars(kind)[method]

    @functools.wraps(original)
    def entrance(self: object, *args: Any, **kwargs: Any) -> Any:
        _put_into_all(library, self, seam)
        return original(self, *args, **kwargs)

    # What is a coroutine function stays one: retries of some libraries look at that.
    @functools.wraps(original)
    async def awaited(self: object, *args: Any, **kwargs: Any) -> Any:
        _put_into_all(library, self, seam)
        return await original(self, *args, **kwargs)

    _instrumented.originals[kind, method] = original
    alike = awaited if inspect.iscoroutinefunction(original) else entrance
    setattr(kind, method, alike)


def _put_into_all(library: Library, inner: object, seam: Seam) -> None:
    try:
        for http in library.http_clients_there(inner):
            if seam.put_into(http):
                _instrumented.metered.add(http)
    except Exception:
        log.exception("a call to %s is not metered", library.name)
