"""Links the attempts of one call: what is asked again after it failed.

All attempts have one `trace_id`, whatever library tries again, and a fallback of the
program's own too: whoever asks the same in the context of a failure. A call that does
not fail pays nothing for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextvars import ContextVar
from typing import Final
from uuid import uuid4

__all__ = ["failed", "linked_to"]

_before: Final[ContextVar[tuple[int, str] | None]] = ContextVar(
    "taximeter_failed_attempt", default=None
)


def linked_to(asked: Callable[[], object]) -> str | None:
    """Return the trace of an attempt that failed before this one, if there was one.

    >>> trace = failed("What is it?", None)
    >>> linked_to(lambda: "What is it?") == trace, linked_to(lambda: "What is it?")
    (True, None)

    Args:
        asked: what is asked; it is only looked at after a failure.
    """
    before = _before.get()
    if before is None:
        return None
    _before.set(None)
    return before[1] if before[0] == _key(asked()) else None


def failed(asked: object, trace_id: str | None) -> str:
    """Note that an attempt failed, and return the trace that it has from now on."""
    trace = trace_id or uuid4().hex
    _before.set((_key(asked), trace))
    return trace


def _key(asked: object) -> int:
    return hash(json.dumps(asked, sort_keys=True, default=str))
