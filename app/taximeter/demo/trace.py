"""The real trace that the demo replays: when each call came, and how long it was.

"Azure LLM inference trace 2023" (Microsoft, CC BY 4.0; see NOTICE): one hour of a
conversation service. It names no users and no models; `taximeter.demo.traffic`
assigns them.
"""

from __future__ import annotations

import csv
import lzma
from datetime import datetime
from importlib.resources import files
from io import TextIOWrapper
from typing import Final, NamedTuple

__all__ = ["TRACE_NAME", "TracedCall", "read_trace"]

TRACE_NAME: Final = "Azure LLM inference trace 2023 (Microsoft, CC BY 4.0)"

_FILE: Final = "azure-llm-2023-conversation.csv.xz"


class TracedCall(NamedTuple):
    """One call of the trace; `moment` has no time zone, the trace gives none."""

    moment: datetime
    context_tokens: int
    generated_tokens: int


def read_trace() -> list[TracedCall]:
    """Return every call of the trace, in the order in which they came.

    >>> read_trace()[0].context_tokens
    374
    """
    compressed = files("taximeter.demo") / "data" / _FILE
    with compressed.open("rb") as raw, lzma.open(raw) as plain:
        rows = csv.reader(TextIOWrapper(plain, encoding="ascii", newline=""))
        next(rows)
        return [_call(*row) for row in rows]


def _call(moment: str, context: str, generated: str) -> TracedCall:
    return TracedCall(datetime.fromisoformat(moment), int(context), int(generated))
