"""One span as it is read here, whatever it was encoded in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["CLIENT", "Span"]

CLIENT = 3
"""The kind of a span that waits for another service: OTLP's number for it."""


@dataclass(frozen=True)
class Span:
    """What one span says.

    Attributes:
        trace_id: in hexadecimal digits, as are the others; empty where it has none.
        parent_id: the span that it lies in; empty for the first one of a trace.
        began_ns: since 1970, as is `ended_ns`; 0 where it does not say.
        failed: whether its status is an error.
        attributes: its own; only those that are text, numbers or truth values.
        resource: what produced it, in attributes too.
        exception: the type of an exception that was recorded in it.
    """

    trace_id: str
    span_id: str
    parent_id: str = ""
    name: str = ""
    kind: int = 0
    began_ns: int = 0
    ended_ns: int = 0
    failed: bool = False
    attributes: Mapping[str, object] = field(default_factory=dict[str, object])
    resource: Mapping[str, object] = field(default_factory=dict[str, object])
    exception: str | None = None
