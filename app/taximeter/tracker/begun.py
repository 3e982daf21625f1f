"""Calls that litellm has begun and has not told the end of yet.

litellm tells of a sync call in a thread of its own, some milliseconds after the call
has returned. Who reads a total at once must not miss it: so what has begun is noted in
the caller's thread, and what has ended can be waited for.
"""

from __future__ import annotations

import threading
from typing import Any, Final, NamedTuple

__all__ = ["SYNC", "WAIT_SECONDS", "Begun"]

WAIT_SECONDS: Final = 5.0
"""How long a reader waits for litellm; it takes milliseconds, unless it is stuck."""

# Streams that nobody reads to their end stay begun for ever.
_KEPT: Final = 10_000

SYNC: Final = (
    "completion",
    "text_completion",
    "responses",
    "embedding",
    "image_generation",
    "image_edit",
    "transcription",
    "speech",
    "rerank",
    "moderation",
)
"""litellm's functions that call a provider, and the types of their calls."""


class _Call(NamedTuple):
    """litellm's own dictionary of a call, and who may wait for it.

    `thread` is the one that made it, and so cannot ask before it is over; a call that
    has `returned` is over, whoever asks.
    """

    details: dict[str, Any] | None
    thread: int | None
    returned: bool = False


class Begun:
    """Thread-safe; the oldest are forgotten when there are too many."""

    def __init__(self) -> None:
        self._calls: dict[str, _Call] = {}
        self._counted: dict[str, None] = {}
        self._changed = threading.Condition()

    def add(self, details: object) -> None:
        """Note a call, in the thread that makes it."""
        if not isinstance(details, dict):
            return
        waits = details.get("call_type") in SYNC and details.get("stream") is not True
        thread = threading.get_ident() if waits else None
        with self._changed:
            self._calls[str(details.get("litellm_call_id"))] = _Call(details, thread)
            _forget_oldest(self._calls)

    def take(self, call_id: object) -> dict[str, Any] | None:
        """Return what is known of a call, which is over now."""
        with self._changed:
            call = self._calls.pop(str(call_id), None)
            self._changed.notify_all()
        return None if call is None else call.details

    def counts(self, call_id: object) -> bool:
        """Tell, once, that a call is to be counted; litellm may tell of it twice."""
        if call_id is None:
            return True
        with self._changed:
            first = str(call_id) not in self._counted
            self._counted[str(call_id)] = None
            _forget_oldest(self._counted)
        return first

    def expect(self, call_id: object) -> None:
        """Note that a call has returned, of which litellm is still going to tell."""
        with self._changed:
            if call_id is not None and str(call_id) not in self._counted:
                self._calls[str(call_id)] = _Call(None, None, returned=True)
                _forget_oldest(self._calls)

    def knows(self, call_id: object) -> bool:
        """Tell whether a call is still open."""
        with self._changed:
            return str(call_id) in self._calls

    def wait(self, call_id: object) -> None:
        """Wait until a call has been told of."""
        self._wait_for({str(call_id)})

    def wait_for_returned(self) -> None:
        """Wait for calls that are over, like those of the thread that asks."""
        me = threading.get_ident()
        with self._changed:
            calls = self._calls.items()
            over = {name for name, call in calls if call.returned or call.thread == me}
        if over:
            self._wait_for(over)

    def _wait_for(self, names: set[str]) -> None:
        with self._changed:
            self._changed.wait_for(lambda: names.isdisjoint(self._calls), WAIT_SECONDS)
            for name in names:  # what never came is not waited for again
                self._calls.pop(name, None)


def _forget_oldest(calls: dict[str, Any]) -> None:
    if len(calls) > _KEPT:
        del calls[next(iter(calls))]
